//! Imports the users on standard input, one id a line, into an app of `muster dev`, a hundred at a
//! time. What is overloaded, restarted or cut off in between is tried again.
//!
//! `MUSTER_URL`, `MUSTER_SDKAPPID` and `MUSTER_SECRET_KEY` name another server and app.

use std::{env, error::Error, io};

use muster_client::{CallError, Client, ImportEntry, Options, Retries, SecretKey};

/// The public sample key that `muster dev` gives to its app.
const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let or = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let base = or("MUSTER_URL", "http://127.0.0.1:7080");
    let sdkappid = or("MUSTER_SDKAPPID", "1400000000").parse()?;
    let key = SecretKey::parse(&or("MUSTER_SECRET_KEY", SAMPLE_KEY))?;
    let options = Options::default().retries(Retries::default());
    let client = Client::with_options(&base, sdkappid, "administrator", key, &options)?;

    let user_ids: Vec<String> = io::stdin().lines().collect::<Result<_, _>>()?;
    let mut imported = 0;
    for batch in user_ids.chunks(100) {
        let entries: Vec<_> = batch.iter().map(|id| ImportEntry::id(id)).collect();
        match client.multiaccount_import(&entries).await {
            Ok(left_out) => {
                imported += batch.len() - left_out.len();
                for user_id in left_out {
                    eprintln!("{user_id:?} was left out");
                }
            }
            // What is wrong with this batch may be right with the next one.
            Err(CallError::Api(failure)) => {
                eprintln!("{:?} and the next {}: {failure}", batch[0], batch.len() - 1);
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("{imported} of {} are imported", user_ids.len());
    if imported < user_ids.len() {
        return Err("some were not imported".into());
    }
    Ok(())
}
