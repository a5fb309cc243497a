//! The request line: checks 1 to 7 of wire §2.

use std::{borrow::Cow, fmt, ops::Range};

use muster_accounts::SdkAppId;

use crate::{Command, Failure, Service, form};

/// What a request line says.
#[derive(Clone, PartialEq, Eq)]
pub struct Call<'q> {
    /// What to do.
    pub command: Command,
    /// For which app; whether there is one, the caller looks up.
    pub sdkappid: SdkAppId,
    /// Who says to be calling. Not empty, otherwise any text.
    pub identifier: Cow<'q, str>,
    /// The proof of it, unchecked. Not empty. A secret.
    pub usersig: Cow<'q, str>,
}

/// A request line that fails one of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCall {
    /// The service of the command, once that is known: from check 3 on.
    pub service: Option<Service>,
    /// The answer.
    pub failure: Failure,
}

/// Takes a request line in.
///
/// `path` and `query` are as sent, not decoded; the query without its `?`. Names, values, service
/// and command are case-sensitive, and the path is compared as it stands.
pub fn parse_call<'q>(
    method: &str,
    path: &str,
    query: Option<&'q str>,
) -> Result<Call<'q>, RefusedCall> {
    let unparsable = || RefusedCall {
        service: None,
        failure: Failure::http_parse(),
    };
    if method != "POST" || !has_three_segments(path) {
        return Err(unparsable());
    }
    let parameters = Parameters::read(query.unwrap_or("")).map_err(|_| unparsable())?;
    let Some(command) = Command::ALL
        .into_iter()
        .find(|command| command.path() == path)
    else {
        return Err(RefusedCall {
            service: None,
            failure: Failure::unknown_command(path),
        });
    };
    parameters
        .into_call(command)
        .map_err(|failure| RefusedCall {
            service: Some(command.service()),
            failure,
        })
}

fn has_three_segments(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').count() == 3)
}

/// The parameters that are looked at; of a repeated one the first.
#[derive(Default)]
struct Parameters<'q> {
    sdkappid: Option<Cow<'q, str>>,
    identifier: Option<Cow<'q, str>>,
    usersig: Option<Cow<'q, str>>,
    contenttype: Option<Cow<'q, str>>,
}

impl<'q> Parameters<'q> {
    /// Reads the whole query: a broken escape anywhere spoils it (check 1).
    fn read(query: &'q str) -> Result<Self, form::Broken> {
        let mut parameters = Self::default();
        for pair in form::pairs(query) {
            let (name, value) = pair?;
            let place = match &*name {
                "sdkappid" => &mut parameters.sdkappid,
                "identifier" => &mut parameters.identifier,
                "usersig" => &mut parameters.usersig,
                "contenttype" => &mut parameters.contenttype,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        Ok(parameters)
    }

    /// Checks 3 to 7.
    fn into_call(self, command: Command) -> Result<Call<'q>, Failure> {
        let sdkappid = self.sdkappid.ok_or_else(Failure::sdkappid_missing)?;
        let sdkappid =
            parse_sdkappid(&sdkappid).ok_or_else(|| Failure::sdkappid_not_a_number(&sdkappid))?;
        let not_empty = |value: &Cow<'_, str>| !value.is_empty();
        let identifier = self
            .identifier
            .filter(not_empty)
            .ok_or_else(Failure::identifier_missing)?;
        let usersig = self
            .usersig
            .filter(not_empty)
            .ok_or_else(Failure::usersig_missing)?;
        if let Some(other) = self.contenttype.filter(|value| value != "json") {
            return Err(Failure::contenttype_not_json(&other));
        }
        Ok(Call {
            command,
            sdkappid,
            identifier,
            usersig,
        })
    }
}

/// Decimal digits only: what `u32::from_str` takes but for a leading `+`.
fn parse_sdkappid(text: &str) -> Option<SdkAppId> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| text.parse().ok().map(SdkAppId))?
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("command", &self.command)
            .field("sdkappid", &self.sdkappid)
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

/// The path of a request as far as it may be shown, in an answer or in a log.
///
/// A client that escapes or forgets the `?` puts its query into the path, and with it the UserSig,
/// which nobody is to see (wire §2). No command's path has a character of a query.
///
/// ```
/// assert_eq!(muster_wire::shown_path("/v4/openim/kick%3Fusersig=eJw9"), "/v4/openim/kick");
/// ```
pub fn shown_path(path: &str) -> &str {
    first_mark(path).map_or(path, |mark| &path[..mark.start])
}

/// The value of a parameter as far as it may be shown. With an `&` that is escaped or forgotten, the
/// rest of the query is in it; so the mark is shown, for the caller to see why, and nothing after it.
pub(crate) fn shown_value(value: &str) -> &str {
    first_mark(value).map_or(value, |mark| &value[..mark.end])
}

/// The first mark in a text of a query that got into it.
fn first_mark(text: &str) -> Option<Range<usize>> {
    let place = |mark: &str| text.find(mark).map(|start| start..start + mark.len());
    let places = ["?", "&", "=", ";", "%3F", "%3f"]
        .into_iter()
        .filter_map(place);
    places.min_by_key(|place| place.start)
}
