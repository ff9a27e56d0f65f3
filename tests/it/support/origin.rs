//! A hostile image host: raw TCP, since no HTTP library would send what it sends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the host does after a request's head.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes, then closes with a reset.
    Reset(Vec<u8>),
    /// Sends the first part, then the second again and again, with a pause between.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// Waits, then sends these bytes.
    Late(Duration, Vec<u8>),
    /// Keeps the connection and says nothing.
    Silent,
}

/// A 200 answer with a correct length.
pub(crate) fn ok(content_type: &str, body: &[u8]) -> Reply {
    with_head(&format!("200 OK\r\nContent-Type: {content_type}"), body)
}

/// An answer with this status and these headers, and a correct length.
pub(crate) fn with_head(head: &str, body: &[u8]) -> Reply {
    raw(&format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()), body)
}

/// Exactly these bytes.
pub(crate) fn raw(head: &str, body: &[u8]) -> Reply {
    Reply::Bytes([head.as_bytes(), body].concat())
}

/// A redirect.
pub(crate) fn redirect(status: u16, location: &str) -> Reply {
    with_head(&format!("{status} Moved\r\nLocation: {location}"), b"")
}

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) path: String,
    /// The head, in lower case.
    pub(crate) head: String,
    /// When.
    pub(crate) at: Instant,
}

/// What the host counted.
#[derive(Default)]
pub(crate) struct Counts {
    accepts: AtomicUsize,
    sent: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// A running host; it ends with the test's runtime.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

impl Origin {
    /// Answers by path and query; an unknown path is a 404.
    pub(crate) async fn serve(routes: impl Into<HashMap<String, Reply>>) -> Self {
        let routes = routes.into();
        Self::answer(move |path| {
            routes.get(path).cloned().unwrap_or_else(|| with_head("404 Not Found", b""))
        })
        .await
    }

    /// Answers by a function of path and query.
    pub(crate) async fn answer(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let (shared, answer) = (Arc::clone(&counts), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.accepts.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream, Arc::clone(&shared), Arc::clone(&answer)));
            }
        });
        Self { address, counts }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections, whether a request followed or not.
    pub(crate) fn accepts(&self) -> usize {
        self.counts.accepts.load(Ordering::SeqCst)
    }

    /// Bytes that the network took.
    pub(crate) fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::SeqCst)
    }

    /// Requests answered at once, at most.
    pub(crate) fn most_open(&self) -> usize {
        self.counts.most_open.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.counts.seen.lock().unwrap().clone()
    }

    pub(crate) fn hits(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }
}

async fn connection(
    mut stream: TcpStream,
    counts: Arc<Counts>,
    answer: Arc<impl Fn(&str) -> Reply + Send + Sync + 'static>,
) {
    let Some(head) = read_head(&mut stream).await else {
        return;
    };
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let seen = Seen { path: path.clone(), head: head.to_lowercase(), at: Instant::now() };
    counts.seen.lock().unwrap().push(seen);
    let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most_open.fetch_max(open, Ordering::SeqCst);
    // A write fails when the other side has gone: that is the end of it.
    let _ = send(&mut stream, &counts, answer(&path)).await;
    counts.open.fetch_sub(1, Ordering::SeqCst);
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn send(stream: &mut TcpStream, counts: &Counts, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Bytes(bytes) => write(stream, counts, &bytes).await?,
        Reply::Reset(bytes) => {
            write(stream, counts, &bytes).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger()?;
        }
        Reply::Drip(first, again, pause) => {
            write(stream, counts, &first).await?;
            loop {
                write(stream, counts, &again).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Reply::Late(pause, bytes) => {
            tokio::time::sleep(pause).await;
            write(stream, counts, &bytes).await?;
        }
        Reply::Silent => tokio::time::sleep(Duration::from_hours(1)).await,
    }
    Ok(())
}

async fn write(stream: &mut TcpStream, counts: &Counts, bytes: &[u8]) -> std::io::Result<()> {
    for part in bytes.chunks(16 * 1024) {
        stream.write_all(part).await?;
        counts.sent.fetch_add(part.len(), Ordering::SeqCst);
    }
    stream.flush().await
}
