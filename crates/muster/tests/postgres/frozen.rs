//! Connections to the database that freeze: what is sent goes nowhere, nothing comes, and nothing closes.

use std::future::pending;

use muster_client::{ApiFailure, CallError, ImportEntry};
use muster_testkit::postgres;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{SDKAPPID, are_there, client, make_app, node, operator, soon};

/// A way to the database.
struct Relay {
    url: String,
    frozen: watch::Sender<()>,
}

impl Relay {
    /// To the database of this URL.
    async fn start(url: &str) -> Self {
        let (credentials, place) = url.rsplit_once('@').unwrap();
        let (address, database) = place.split_once('/').unwrap();
        let address = address.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let frozen = watch::Sender::new(());
        let of_task = frozen.clone();
        tokio::spawn(async move {
            while let Ok((mut ours, _)) = listener.accept().await {
                let mut theirs = TcpStream::connect(&address).await.unwrap();
                let mut frozen = of_task.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut ours, &mut theirs) => {}
                        // Both stay open.
                        _ = frozen.changed() => pending().await,
                    }
                });
            }
        });
        Self {
            url: format!("{credentials}@127.0.0.1:{port}/{database}"),
            frozen,
        }
    }

    /// Freezes the connections that are there. Later ones are not.
    fn freeze(&self) {
        self.frozen.send_replace(());
    }
}

/// And it is answered before its deadline, after which it would be told another code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_connection_fails_the_call_that_has_it_and_none_after_that() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start(&postgres::shared().new_database()).await;
    let node = node(dir.path(), "a", &relay.url);
    make_app(&node, SDKAPPID, "developer").await;
    let client = client(&node, SDKAPPID);
    let import = async |name: &str| client.account_import(&ImportEntry::id(name)).await;
    import("ann").await.unwrap();
    for name in ["bob", "cid"] {
        relay.freeze();
        let failed = import(name).await.unwrap_err();
        assert!(
            matches!(failed, CallError::Api(ApiFailure { code: 70_500, .. })),
            "{failed}"
        );
        for again in [name, "dan", "eve"] {
            import(again).await.unwrap();
        }
        soon("it is ready", async || {
            operator(&node).ready().await.is_ok()
        })
        .await;
    }
    let all = ["ann", "bob", "cid", "dan", "eve"].map(str::to_owned);
    assert!(are_there(&client, &all).await);
}
