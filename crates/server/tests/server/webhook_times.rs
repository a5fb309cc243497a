//! How long an exchange with the receiver of a webhook may take (wire §8.1).

use serde_json::json;

use crate::{
    harness::{self, APP, Running, SET},
    peer::soon,
    receiver::{Manner, Receiver, status},
};

/// How many events about profiles have ended in this way.
async fn ended(server: &Running, outcome: &str) -> f64 {
    let series = "muster_webhook_events_total{command=\"Profile.CallbackPortraitSet\"";
    let series = format!("{series},outcome=\"{outcome}\"}}");
    server.metric(&series).await
}

/// Sets the administrator's level, which is an event.
async fn set_level(server: &Running, level: u32) {
    let items = json!([{"Tag": "Tag_Profile_IM_Level", "Value": level}]);
    let body = json!({"From_Account": "administrator", "ProfileItem": items});
    assert_eq!(server.call(SET, &body.to_string()).await.code(), 0);
}

/// The 2 s are for the whole exchange, so an answer that has begun ends them no more than silence.
#[tokio::test]
async fn an_answer_that_stops_in_its_middle_is_a_time_out() {
    let server = harness::start().await;
    let path = format!("/muster/v1/apps/{APP}");
    for (begun, times) in [
        ("HTTP/1.1 200 OK\r\n", 1.0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 2.0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"Acti", 3.0),
    ] {
        let mut receiver = Receiver::start(Manner::Says(begun.to_owned())).await;
        let webhook = json!({"webhook": {"url": receiver.url()}}).to_string();
        let set = server.operate("PATCH", &path, &webhook).await;
        assert_eq!(set.status, 200, "{}", set.text());
        set_level(&server, 1).await;
        receiver.posted().await;
        soon(async { while ended(&server, "timed_out").await != times {} }).await;
        // The next event has a whole exchange of its own.
        receiver.answer(status("200 OK"));
        set_level(&server, 2).await;
        receiver.posted().await;
        soon(async { while ended(&server, "delivered").await != times {} }).await;
    }
}
