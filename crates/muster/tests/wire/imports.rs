//! `account_import` and `multiaccount_import` (wire §3.2, §3.3).

use crate::{server::serving, transcript::run};

/// Wire §3.2.
#[test]
fn account_import() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"Nick":"Alice"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID is missing."}

# Keys are case-sensitive.
POST /v4/im_open_login_svc/account_import?Q
{"UserId":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID is missing."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":7}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":null,"Identifier":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":["alice"]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/account_import?Q
{"Identifier":true}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":7}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. Nick is not a string."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","FaceUrl":{}}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. FaceUrl is not a string."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"<x*501>"}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"Nick is 501 bytes long, the limit is 500."}

# Bytes count, not characters, and they count after unescaping.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"<é*250>\u0021"}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"Nick is 501 bytes long, the limit is 500."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","FaceUrl":"<小*167>"}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"FaceUrl is 501 bytes long, the limit is 500."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":""}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"\" is 0 bytes long, 1 to 32 are allowed."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"<x*33>"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"<x*33>\" is 33 bytes long, 1 to 32 are allowed."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"<é*65>"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"<é*64>...\" is 130 bytes long, 1 to 32 are allowed."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"ali\u0000ce"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"ali\u0000ce\" has a byte outside 0x20-0x7e."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice\n"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"alice\n\" has a byte outside 0x20-0x7e."}

# The last one of ASCII.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice\u007f"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"alice<delete>\" has a byte outside 0x20-0x7e."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"josé"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"josé\" has a byte outside 0x20-0x7e."}

# Of two mistakes: UserID's type, then Nick's.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":7,"Nick":7}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

# Types, then sizes.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"<x*501>","FaceUrl":7}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. FaceUrl is not a string."}

# Nick, then the bytes of UserID.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"","Nick":"<x*501>"}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"Nick is 501 bytes long, the limit is 500."}

# None of these imported anyone.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}

# 32 bytes, every kind of byte that is allowed at its edges.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":" ~@TGS#\"\\/<x*20>+%"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":" ~@TGS#\"\\\/<x*20>+%"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":" ~@TGS#\"\\/<x*20>+%","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}

# 500 bytes of multi-byte text pass, and come back exactly.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"<é*250>","FaceUrl":"<😀*125>"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"<é*250>"},{"Tag":"Tag_Profile_IM_Image","Value":"<😀*125>"}],"ResultCode":0,"ResultInfo":""}]}

# Absent and null keep what is stored, an empty text overwrites it.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":null,"FaceUrl":""}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"<é*250>"},{"Tag":"Tag_Profile_IM_Image","Value":""}],"ResultCode":0,"ResultInfo":""}]}

# Nothing is trimmed or changed.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"  A\tlice\u0000\u2028 ","FaceUrl":"not a URL"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"  A\tlice\u0000<line separator> "},{"Tag":"Tag_Profile_IM_Image","Value":"not a URL"}],"ResultCode":0,"ResultInfo":""}]}

# The legacy key; with both UserID counts. Type is not looked at.
POST /v4/im_open_login_svc/account_import?Q
{"Identifier":"legacy","Type":0,"Nick":"","FaceUrl":""}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"both","Identifier":"neither","Type":"robot"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# Names are case-sensitive, and those with a meaning elsewhere are like any other.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"@RBT#1"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"legacy"},{"UserID":"both"},{"UserID":"neither"},{"UserID":"@RBT#1"},{"UserID":"@rbt#1"},{"UserID":"@RBT#1 "}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"legacy","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"both","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"neither","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"@RBT#1","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"@rbt#1","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"@RBT#1 ","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}
"#,
        );
    });
}

/// Wire §3.3, steps 1 to 4: what fails the whole call.
#[test]
fn batches_that_fail() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is missing.","FailAccounts":[]}

# A list that is null counts as absent.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":null,"Accounts":null}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is missing.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":{"UserID":"alice"}}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is not an array.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. Accounts is not an array.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is empty.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":[]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. Accounts is empty.","FailAccounts":[]}

# With both lists AccountList counts, also when it is wrong.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["alice"],"AccountList":[]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is empty.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[<{"UserID":"alice"},*101>]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList has 101 entries, the limit is 100.","FailAccounts":[]}

# The number of entries comes before what they are.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":[<7,*101>]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. Accounts has 101 entries, the limit is 100.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["alice",7]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["alice",null]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid","FailAccounts":[]}

# An object belongs into the other list.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice"},"bob"]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[1] is not an object.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[null]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[0] is not an object.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice"},{"Nick":"Bob"}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[1].UserID is missing.","FailAccounts":[]}

# No legacy keys here.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"Identifier":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[0].UserID is missing.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice"},{"UserID":7}]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice"},{"UserID":"bob","Nick":["Bob"]}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[1].Nick is not a string.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","FaceUrl":false}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[0].FaceUrl is not a string.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice"},{"UserID":"bob","Nick":"<x*501>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"AccountList[1].Nick is 501 bytes long, the limit is 500.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","FaceUrl":"<x*900>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"AccountList[0].FaceUrl is 900 bytes long, the limit is 500.","FailAccounts":[]}

# Also in an entry whose id is invalid, and in one that a later entry replaces.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"josé","Nick":"<x*501>"},{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"AccountList[0].Nick is 501 bytes long, the limit is 500.","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","Nick":"<x*501>"},{"UserID":"alice","Nick":"Alice"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"AccountList[0].Nick is 501 bytes long, the limit is 500.","FailAccounts":[]}

# All types come before all sizes, the first wrong entry before the second.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","Nick":"<x*501>"},{"UserID":"bob","FaceUrl":1},{"UserID":7}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList[1].FaceUrl is not a string.","FailAccounts":[]}

# Nothing of the above imported anyone.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"},{"UserID":"bob"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"bob","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}
"#,
        );
    });
}

/// Wire §3.3, steps 5, 6 and 9.
#[test]
fn batches_that_pass() {
    serving(|server| {
        run(
            server,
            r#"
# The sample of the documented page: an id twice, the last entry wins as a whole.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"UserID_001","Nick":"Nick_001","FaceUrl":"http://www.qq.com"},{"UserID":"UserID_002","Nick":"Nick_002","FaceUrl":"http://www.qq.com"},{"UserID":"UserID_002","Nick":"Nick_001"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# So the earlier one supplies no FaceUrl.
POST /v4/profile/portrait_get?Q
{"To_Account":["UserID_001","UserID_002"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"UserID_001","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Nick_001"},{"Tag":"Tag_Profile_IM_Image","Value":"http://www.qq.com"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"UserID_002","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Nick_001"},{"Tag":"Tag_Profile_IM_Image","Value":""}],"ResultCode":0,"ResultInfo":""}]}

# The older body: an existing account stays as it is.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["UserID_001","new","new"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/profile/portrait_get?Q
{"To_Account":["UserID_001","new"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"UserID_001","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Nick_001"},{"Tag":"Tag_Profile_IM_Image","Value":"http://www.qq.com"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"new","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""},{"Tag":"Tag_Profile_IM_Image","Value":""}],"ResultCode":0,"ResultInfo":""}]}

# The newer body overwrites what it passes and keeps the rest.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"UserID_001","Nick":""},{"UserID":"new","FaceUrl":"x","Nick":null}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/profile/portrait_get?Q
{"To_Account":["UserID_001","new"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"UserID_001","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""},{"Tag":"Tag_Profile_IM_Image","Value":"http://www.qq.com"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"new","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""},{"Tag":"Tag_Profile_IM_Image","Value":"x"}],"ResultCode":0,"ResultInfo":""}]}

# Both lists: Accounts is not looked at, right or wrong.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["left-out",7],"AccountList":[{"UserID":"taken"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# Null is absent: then Accounts counts.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":null,"Accounts":["from-accounts"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"left-out"},{"UserID":"taken"},{"UserID":"from-accounts"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"left-out","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"taken","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"from-accounts","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}

# Invalid ids fail alone: each once, in order of first appearance. 32 bytes are none, 33 are.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"josé"},{"UserID":"<x*32>"},{"UserID":""},{"UserID":"<x*33>"},{"UserID":"a\nb"},{"UserID":"josé","Nick":"again"},{"UserID":"fine"},{"UserID":""},{"UserID":"\u007f"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["josé","","<x*33>","a\nb","<delete>"]}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"<x*32>"},{"UserID":"fine"},{"UserID":"josé"},{"UserID":""},{"UserID":"<x*33>"},{"UserID":"a\nb"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"<x*32>","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"fine","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"josé","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"<x*33>","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"a\nb","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}

POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["小军","also-fine","小军"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["小军"]}

# No valid id left is still OK. An invalid id is not cut.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["<y*70>",""]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["<y*70>",""]}

# 100 entries are allowed.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":[<"hundred",*100>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# Nick and FaceUrl of 500 bytes in all 100 entries.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[<{"UserID":"full","Nick":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"},*99>,{"UserID":"full","Nick":"<小*166>xx","FaceUrl":"<x*500>"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/profile/portrait_get?Q
{"To_Account":["full"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"full","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"<小*166>xx"},{"Tag":"Tag_Profile_IM_Image","Value":"<x*500>"}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}
