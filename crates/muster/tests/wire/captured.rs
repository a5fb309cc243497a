//! Requests as they left public client libraries, byte for byte, with a good UserSig.

use muster_testkit::{captured, usersig};

use crate::server::{assert_protocol_headers, serving};

#[test]
fn captured_requests() {
    let usersig = usersig("administrator");
    serving(|server| {
        let mut answered = 0;
        for sample in captured() {
            let name = format!("{} {}", sample.client, sample.path);
            let mut peer = server.connect();
            if sample.path.ends_with("/kick") {
                // Whom it kicks has to be there; the import takes the same body.
                let mut import = sample.clone();
                import.path = "/v4/im_open_login_svc/account_import".to_owned();
                peer.send(import.bytes(&usersig));
                peer.answer();
            }
            peer.send(sample.bytes(&usersig));
            let answer = peer.answer();
            assert_protocol_headers(&answer);
            assert!(!answer.closes(), "{name}");
            let text = answer.text();
            let ok = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"""#;
            assert!(text.starts_with(ok), "{name}: {text}");
            answered += 1;
        }
        assert_eq!(answered, 20);

        // What they wrote is there, non-ASCII text in each client's way of writing it.
        let got = server.call(
            "profile/portrait_get",
            r#"{"To_Account":["assistant","nd_u1","nd_u3","py_u1"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Language"]}"#,
        );
        let expected = [
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":["#,
            r#"{"To_Account":"assistant","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"小助手"},{"Tag":"Tag_Profile_IM_Language","Value":20}],"ResultCode":0,"ResultInfo":""},"#,
            r#"{"To_Account":"nd_u1","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"n 一"}],"ResultCode":0,"ResultInfo":""},"#,
            r#"{"To_Account":"nd_u3","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"N3b"}],"ResultCode":0,"ResultInfo":""},"#,
            r#"{"To_Account":"py_u1","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Nick 一"}],"ResultCode":0,"ResultInfo":""}]}"#,
        ];
        assert_eq!(got, expected.concat());
    });
}
