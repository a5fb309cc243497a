//! Bodies: too large, too slow, cut off, chunked, late (wire §1.2, §2 check 15).

use tokio::io::AsyncWriteExt;

use crate::{
    harness::{self, ALICE, IMPORT, Setup, post, post_chunked_head, post_head, query, query_with},
    log,
    peer::Peer,
};

const LIMIT_BYTES: usize = 1024 * 1024;

#[tokio::test]
async fn up_to_the_limit_is_read_and_one_more_is_not() {
    let server = harness::start().await;
    let body = format!("{ALICE}{}", " ".repeat(LIMIT_BYTES - ALICE.len()));
    assert_eq!(server.call(IMPORT, &body).await.code(), 0);
    let over = server.call(IMPORT, &format!("{body} ")).await;
    assert_eq!((over.code(), over.closes()), (60008, true));
}

/// A client that writes all before it reads anything has to find the answer, not a reset.
#[tokio::test]
async fn a_body_far_over_the_limit_gets_its_answer() {
    let server = harness::start().await;
    let piece = vec![b' '; 64 * 1024];
    // By its announced length, by what comes, and with a caller who is refused anyway.
    for (head, chunked, expected) in [
        (
            post_head(IMPORT, &query("administrator"), 6 * LIMIT_BYTES),
            false,
            60008,
        ),
        (
            post_chunked_head(IMPORT, &query("administrator")),
            true,
            60008,
        ),
        (post_head(IMPORT, "", 6 * LIMIT_BYTES), false, 60012),
        (post_chunked_head(IMPORT, ""), true, 60012),
    ] {
        let mut peer = Peer::connect(server.public).await;
        peer.send(head).await;
        for _ in 0..6 * LIMIT_BYTES / piece.len() {
            if chunked {
                peer.send(format!("{:x}\r\n", piece.len())).await;
            }
            peer.send(&piece).await;
            if chunked {
                peer.send("\r\n").await;
            }
        }
        let answer = peer.answer().await;
        assert_eq!((answer.code(), answer.closes()), (expected, true));
        assert!(peer.closed_in_silence().await);
    }
}

#[tokio::test]
async fn chunks_are_put_together() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    for _ in 0..2 {
        peer.send(post_chunked_head(IMPORT, &query("administrator")))
            .await;
        for piece in ALICE.as_bytes().chunks(4) {
            peer.send(format!("{:x}\r\n", piece.len())).await;
            peer.send(piece).await;
            peer.send("\r\n").await;
        }
        peer.send("0\r\nTrailer: ignored\r\n\r\n").await;
        assert_eq!(peer.answer().await.code(), 0);
    }
}

#[tokio::test]
async fn broken_chunks_are_answered() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    peer.send(post_chunked_head(IMPORT, &query("administrator")))
        .await;
    peer.send("nonsense\r\n").await;
    let answer = peer.answer().await;
    assert_eq!((answer.code(), answer.closes()), (60008, true));
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let mut setup = Setup::default();
    setup.limits.body_timeout_s = 1;
    let server = setup.start().await;
    for (query, expected) in [
        (query("administrator"), 60008),
        (query_with("administrator", "x"), 70003),
    ] {
        let mut peer = Peer::connect(server.public).await;
        peer.send(post_head(IMPORT, &query, ALICE.len())).await;
        peer.send(&ALICE[..5]).await;
        let answer = peer.answer().await;
        assert_eq!((answer.code(), answer.closes()), (expected, true));
        drop(peer);
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_has_no_answer() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let address = peer.stream.local_addr().unwrap();
    peer.send(post_head(IMPORT, &query("administrator"), ALICE.len()))
        .await;
    peer.send(&ALICE[..5]).await;
    peer.stream.shutdown().await.unwrap();
    assert!(peer.closed_in_silence().await);
    let line = log::line_with(&format!("peer={address}")).await;
    assert!(line.contains("cut off by the caller"), "{line}");
    // Nothing was done, and the server goes on.
    let check = server
        .call(harness::CHECK, r#"{"CheckItem":[{"UserID":"alice"}]}"#)
        .await;
    assert_eq!(
        check.json()["ResultItem"][0]["AccountStatus"],
        "NotImported"
    );
}

#[tokio::test]
async fn who_asks_before_sending_is_told() {
    let server = harness::start().await;
    let ask = |query: &str, length: usize| {
        let head = post_head(IMPORT, query, length);
        head.replacen("Host:", "Expect: 100-continue\r\nHost:", 1)
    };
    let mut peer = Peer::connect(server.public).await;
    peer.send(ask(&query("administrator"), ALICE.len())).await;
    assert_eq!(peer.answer().await.status, 100);
    peer.send(ALICE).await;
    assert_eq!(peer.answer().await.code(), 0);
    // Not to be sent at all, so not asked for.
    for (query, length, expected) in [
        (query("administrator"), LIMIT_BYTES + 1, 60008),
        (query_with("administrator", "x"), ALICE.len(), 70003),
    ] {
        let mut refused = Peer::connect(server.public).await;
        refused.send(ask(&query, length)).await;
        let answer = refused.answer().await;
        assert_eq!((answer.code(), answer.closes()), (expected, true));
    }
}

#[tokio::test]
async fn the_type_of_a_body_does_not_matter() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "\u{fc}",
    ] {
        let call = post(IMPORT, &query("administrator"), ALICE);
        let header = format!("Content-Type: {content_type}\r\nHost:");
        peer.send(call.replacen("Host:", &header, 1)).await;
        assert_eq!(peer.answer().await.code(), 0);
    }
}
