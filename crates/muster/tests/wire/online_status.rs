//! `query_online_status` and `querystate` (wire §3.7), with devices that are really there.

use muster_testkit::session::Device;

use crate::{server::serving, transcript::run};

#[test]
fn parameters_of_a_status_query() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/openim/query_online_status?Q
(empty)
{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}

POST /v4/openim/query_online_status?Q
[]
{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}

POST /v4/openim/querystate?Q
{}
{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}

POST /v4/openim/query_online_status?Q
{"To_Account":"alice"}
{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}

POST /v4/openim/query_online_status?Q
{"To_Account":[]}
{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}

POST /v4/openim/query_online_status?Q
{"To_Account":[7,<"a",*500>]}
{"ActionStatus":"FAIL","ErrorCode":90011,"ErrorInfo":"To_Account has 501 entries, the limit is 500."}

POST /v4/openim/querystate?Q
{"To_Account":["a",7]}
{"ActionStatus":"FAIL","ErrorCode":90003,"ErrorInfo":"To_Account[1] is not a string."}

# All unknown, or none that could be known, is still OK.
POST /v4/openim/querystate?Q
{"To_Account":["nobody","josé",""]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[],"ErrorList":[{"To_Account":"nobody","ErrorCode":70107},{"To_Account":"josé","ErrorCode":70107},{"To_Account":"","ErrorCode":70107}]}

POST /v4/openim/query_online_status?Q
{"To_Account":[<"administrator",*500>],"IsNeedDetail":1}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[<{"To_Account":"administrator","Status":"Offline","State":"Offline"},*500>],"ErrorList":[]}
"#,
        );
    });
}

#[test]
fn a_user_is_online_while_signed_in() {
    serving(|server| {
        let url = server.muster().accounts_url();
        let web = Device::sign_in(url, "alice", "Web");
        let mut phone = Device::sign_in(url, "alice", "iOS");
        run(
            server,
            r#"
POST /v4/openim/query_online_status?Q
{"To_Account":["alice"],"IsNeedDetail":1}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[{"To_Account":"alice","Status":"Online","State":"Online","Detail":[{"Platform":"Web","Status":"Online"},{"Platform":"IPhone","Status":"Online"}]}],"ErrorList":[]}
"#,
        );
        web.sign_out();
        run(
            server,
            r#"
POST /v4/openim/querystate?Q
{"To_Account":["alice"],"IsNeedDetail":1}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[{"To_Account":"alice","Status":"Online","State":"Online","Detail":[{"Platform":"IPhone","Status":"Online"}]}],"ErrorList":[]}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/openim/query_online_status?Q
{"To_Account":["alice"],"IsNeedDetail":1}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[{"To_Account":"alice","Status":"Offline","State":"Offline"}],"ErrorList":[]}
"#,
        );
        assert_eq!(phone.wait_for_close(), Some(4001));
    });
}
