//! A connection of the pool, while a try has it.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::Client;

/// It is given back only by who says that the try has ended. A try that is dropped in the middle, at its
/// caller's deadline, leaves a statement behind that whoever gets the connection next would wait for:
/// that connection is closed instead.
///
/// The statement is not cancelled but left to the database, which ends it once it sees that nobody is
/// there ([`crate::connect`]). To cancel takes a connection more, and one that comes while a commit waits
/// for its standby would let others see what the standby has not got.
pub(crate) struct Lent(Option<Client>);

const UNTIL_GIVEN_BACK: &str = "it is there until it is given back";

impl Lent {
    pub(crate) fn new(client: Client) -> Self {
        Self(Some(client))
    }

    pub(crate) fn give_back(mut self) {
        self.0 = None;
    }
}

impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.0.as_ref().expect(UNTIL_GIVEN_BACK)
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Client {
        self.0.as_mut().expect(UNTIL_GIVEN_BACK)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Client::take(client));
        }
    }
}
