//! The smallest HTTP/1 client: it sends exactly the bytes it is given, right or wrong, and shows
//! exactly what comes back.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::PATIENCE;

/// One connection to a server.
pub struct Connection<S = TcpStream> {
    stream: BufReader<S>,
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header lines in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header line of this name, which is to be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    /// Whether the server says that it closes the connection after this answer.
    pub fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

impl Connection {
    /// Connects to a base URL such as `http://127.0.0.1:7080`.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    pub fn open(url: &str) -> Self {
        let address = url
            .strip_prefix("http://")
            .unwrap_or_else(|| panic!("{url:?} is not plain HTTP"));
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        // What a test sends in pieces is to arrive in pieces.
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .expect("a timeout above zero can be set");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Closes the direction to the server; answers can still come.
    pub fn finish_sending(&mut self) {
        // The server may have closed the connection already.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }
}

impl<S: Read + Write> Connection<S> {
    /// Takes a stream that someone else has opened, such as one of TLS.
    pub fn over(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends these bytes.
    ///
    /// # Panics
    ///
    /// If the server has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes)
            .unwrap_or_else(|error| panic!("the server takes nothing more: {error}"));
    }

    /// Sends these bytes, to a server that may have closed the connection.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Waits for the next answer.
    ///
    /// # Panics
    ///
    /// If the connection ends instead, or what comes is not HTTP.
    pub fn answer(&mut self) -> Answer {
        self.try_answer()
            .expect("an answer comes whole")
            .expect("an answer comes before the connection is closed")
    }

    /// Waits for the answer to a HEAD request, which has no body whatever its headers say.
    ///
    /// # Panics
    ///
    /// Like [`answer`](Self::answer).
    pub fn answer_to_head(&mut self) -> Answer {
        self.read_head()
            .expect("an answer comes whole")
            .expect("an answer comes before the connection is closed")
    }

    /// Waits for the next answer; `None` if the connection is closed instead. Fails if it ends in
    /// the middle of an answer, or is reset.
    pub fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        let Some(mut answer) = self.read_head()? else {
            return Ok(None);
        };
        if (100..200).contains(&answer.status) {
            return Ok(Some(answer));
        }
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .ok_or_else(|| invalid(format!("an answer without a length: {:?}", answer.headers)))?;
        answer.body = vec![0; length];
        self.stream.read_exact(&mut answer.body)?;
        Ok(Some(answer))
    }

    /// Waits until the server closes the connection.
    ///
    /// # Panics
    ///
    /// If something comes instead.
    pub fn wait_for_close(&mut self) {
        match self.stream.fill_buf() {
            Ok([]) => {}
            // What was sent and not read makes TCP close this way.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Ok(bytes) => panic!("more came: {:?}", String::from_utf8_lossy(bytes)),
            Err(error) => panic!("the connection is not closed: {error}"),
        }
    }

    fn read_head(&mut self) -> io::Result<Option<Answer>> {
        let Some(status_line) = self.read_line()? else {
            return Ok(None);
        };
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| invalid(format!("not a status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self
                .read_line()?
                .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("not a header line: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Some(Answer {
            status,
            headers,
            body: Vec::new(),
        }))
    }

    /// The next line without its end; `None` at the end of the stream.
    fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.strip_suffix("\r\n") {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(invalid(format!("a line without its end: {line:?}"))),
        }
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The bytes of a request with a `Host`, these headers, and the length of its body.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: muster.test\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A body in chunks, with the end of a chunked body.
pub fn chunked<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
