//! A copy of all that a server's store holds.

use std::{fmt, time::Duration};

use bytes::Bytes;
use reqwest::{Method, Response, header::AUTHORIZATION};

use super::{Operator, OperatorError, refused};
use crate::TransportError;

/// How long a backup may take, from its beginning to its last byte.
const TIMEOUT: Duration = Duration::from_hours(24);

/// A backup that is under way.
pub struct Backup<'o> {
    operator: &'o Operator,
    response: Response,
}

impl Operator {
    /// Begins a backup, which may take 24 h. The bytes are for `muster_store_local::restore`, as in `muster backup`; they
    /// hold the secret keys of all apps.
    pub async fn back_up(&self) -> Result<Backup<'_>, OperatorError> {
        let url = self.url(&["backup"], &[])?;
        let request = self
            .http
            .request(Method::GET, url)
            .header(AUTHORIZATION, self.bearer.clone())
            .timeout(TIMEOUT);
        let response = self.http.begin(request).await.map_err(in_time)?;
        let status = response.status();
        if !status.is_success() {
            let answer = self.http.read(response).await.map_err(in_time)?;
            return Err(refused(status, &answer));
        }
        Ok(Backup {
            operator: self,
            response,
        })
    }
}

impl fmt::Debug for Backup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl Backup<'_> {
    /// The next bytes; `None` is the end, and says that it is whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OperatorError> {
        let chunk = self.operator.http.chunk(&mut self.response).await;
        Ok(chunk.map_err(in_time)?)
    }
}

fn in_time(error: TransportError) -> TransportError {
    error.within(TIMEOUT)
}
