//! The addresses of receivers' names.
//!
//! The system's look-up cannot be cut short. So it has a thread of its own: those of the runtime are
//! needed for the store's reads, and a runtime that stops waits for all of them. And a name is looked
//! up once at a time, whoever asks: a name server that does not answer takes one thread a name
//! instead of one an event.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// Looks names up. Clones share the look-ups.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<String, Pending>>>);

/// A look-up that goes on; `None` until it has ended.
type Pending = watch::Receiver<Option<Result<Vec<SocketAddr>, Arc<io::Error>>>>;

impl Names {
    fn pending(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The look-up of this name that goes on, or a new one.
    fn look_up(&self, name: &str) -> io::Result<Pending> {
        let mut pending = self.pending();
        if let Some(looking) = pending.get(name) {
            return Ok(looking.clone());
        }
        let (tell, looking) = watch::channel(None);
        let (names, owned) = (self.clone(), name.to_owned());
        let look_up = move || {
            // The port is the URL's; 0 stands for it here.
            let found = (owned.as_str(), 0).to_socket_addrs();
            names.pending().remove(&owned);
            tell.send_replace(Some(found.map(Iterator::collect).map_err(Arc::new)));
        };
        thread::Builder::new()
            .name("webhook-name".to_owned())
            .spawn(look_up)?;
        pending.insert(name.to_owned(), looking.clone());
        Ok(looking)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.look_up(name.as_str());
        Box::pin(async move {
            let mut looking = looking?;
            let ended = looking.wait_for(Option::is_some).await?;
            match ended.clone().expect("waited for") {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                Err(error) => Err(error.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(mut looking: Pending) -> Result<Vec<SocketAddr>, Arc<io::Error>> {
        let ended = looking.wait_for(Option::is_some).await.expect("it ends");
        ended.clone().expect("waited for")
    }

    #[tokio::test]
    async fn finds_addresses() {
        let names = Names::default();
        // Twice, as names move.
        for _ in 0..2 {
            let looking = names.look_up("localhost").expect("there are threads");
            let found = ended(looking).await.expect("every machine has it");
            assert!(!found.is_empty());
            assert!(found.iter().all(|address| address.ip().is_loopback()));
            assert!(names.pending().is_empty());
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_gets_the_same_answer() {
        let names = Names::default();
        let (tell, looking) = watch::channel(None);
        names.pending().insert("slow.example".to_owned(), looking);
        let looking = names.look_up("slow.example").expect("no thread is needed");
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        tell.send_replace(Some(Ok(vec![address])));
        assert_eq!(ended(looking).await.expect("found"), [address]);
    }

    #[tokio::test]
    async fn what_is_no_name_is_an_error() {
        let looking = Names::default()
            .look_up("no\0name")
            .expect("there are threads");
        ended(looking).await.expect_err("it has a NUL");
    }
}
