//! The accept loop: a client that is refused while it still sends reads why.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::service::{Service, service};

/// Sends a head and `length` bytes of body without reading, then all that was answered: the head and the problem.
async fn refused(service: &Service, head: &str, begin: &[u8], length: usize) -> (String, Value) {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let mut left = length - begin.len();
    while left > 0 {
        let n = left.min(chunk.len());
        stream.write_all(&chunk[..n]).await.expect("the service goes on reading");
        left -= n;
    }
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn a_refused_upload_ends_in_its_problem_and_no_broken_pipe() {
    let service = service(&[]).await;
    let (_, dataset) = service.post("/datasets", &json!({"name": "ships"})).await;
    let path = format!("/datasets/{}/images", dataset["id"].as_str().unwrap());
    let length = 50 << 20;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n\
         content-length: {length}\r\n\r\n"
    );
    let begin = b"--b\r\ncontent-disposition: form-data; name=\"class\"\r\n\r\nunknown\r\n\
                  --b\r\ncontent-disposition: form-data; name=\"archive\"; filename=\"a.zip\"\r\n\r\n";
    let (head, problem) = refused(&service, &head, begin, length).await;
    assert!(head.starts_with("HTTP/1.1 422"), "{head}");
    assert_eq!(problem["errors"][0]["field"], "class", "{problem}");
}

#[tokio::test]
async fn a_body_above_the_limit_ends_in_413() {
    let service = service(&[]).await;
    let length = 30 << 20;
    let head = format!(
        "POST /datasets HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    let (head, problem) = refused(&service, &head, b"[", length).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert_eq!(problem["code"], "too_large");
}

#[tokio::test]
async fn a_head_that_contradicts_itself_is_400() {
    let service = service(&[]).await;
    for lines in [
        "content-length: 2\r\ncontent-length: 3",
        "content-length: x",
        "no colon",
        "connection: close\r\nhost: y\r\ncontent-length: 2",
    ] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let head = format!("POST /datasets HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{{}}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{lines}: {answer}");
    }
}
