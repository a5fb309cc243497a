//! Says of the users on the command line whether they have an account in the app of `muster dev`, and
//! whether they are online.

use std::{env, error::Error};

use muster_client::{AccountStatus, Client, SecretKey};

/// The public sample key that `muster dev` gives to its app.
const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = SecretKey::parse(SAMPLE_KEY)?;
    let client = Client::new("http://127.0.0.1:7080", 1_400_000_000, "administrator", key)?;

    let user_ids: Vec<String> = env::args().skip(1).collect();
    let user_ids: Vec<&str> = user_ids.iter().map(String::as_str).collect();
    let mut imported = Vec::new();
    for user in client.account_check(&user_ids).await? {
        match user.status {
            Ok(AccountStatus::Imported) => imported.push(user.user_id),
            Ok(AccountStatus::NotImported) => println!("{}: no account", user.user_id),
            Ok(other) => println!("{}: {other:?}", user.user_id),
            Err(failure) => println!("{}: {failure}", user.user_id),
        }
    }
    if imported.is_empty() {
        return Ok(());
    }
    let imported: Vec<&str> = imported.iter().map(String::as_str).collect();
    for user in client.query_online_status(&imported).await? {
        match user.status {
            Ok(status) => println!("{}: {:?}", user.user_id, status.state),
            Err(failure) => println!("{}: {failure}", user.user_id),
        }
    }
    Ok(())
}
