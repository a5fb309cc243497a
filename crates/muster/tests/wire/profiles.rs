//! `portrait_set` and `portrait_get` (wire §3.8, §3.9).

use crate::{
    server::serving,
    transcript::{run, run_with},
};

/// Wire §3.8: the checks, in their order.
#[test]
fn portrait_set_refused() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"Alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_set?Q
{"ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":7,"ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice"}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":null}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":{"Tag":"Tag_Profile_IM_Nick","Value":"A"}}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":1,"Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

# 101 items; 100 are allowed.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[<{"Tag":"Tag_Profile_IM_Level","Value":1},*101>]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"nobody","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"nobody\" is not imported.","ErrorDisplay":""}

# A name that can be no UserID is not imported.
POST /v4/profile/portrait_set?Q
{"From_Account":"","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"\" is not imported.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"<é*65>","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"<é*64>...\" is not imported.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Shoes","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"Tag_Profile_IM_Shoes\".","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"tag_profile_im_nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"tag_profile_im_nick\".","ErrorDisplay":""}

# Declared for no app yet.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_Custom_Shoes","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"Tag_Profile_Custom_Shoes\".","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":7}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Nick must be a string.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":null}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Nick must be a string.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":"3"}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Level must be a uint32.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_BirthDay","Value":-1}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_BirthDay must be a uint32.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Role","Value":4294967296}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Role must be a uint32.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Language","Value":1.0}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Language must be a uint32.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_MsgSettings","Value":1e0}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_MsgSettings must be a uint32.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":1},{"Tag":"Tag_Profile_IM_Nick","Value":"<x*501>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"ProfileItem[1].Value is 501 bytes long, the limit is 500.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_SelfSignature","Value":"<小*167>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"ProfileItem[0].Value is 501 bytes long, the limit is 500.","ErrorDisplay":""}

# Over 500 bytes comes before what the field allows.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Gender","Value":"<x*501>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"ProfileItem[0].Value is 501 bytes long, the limit is 500.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Gender","Value":"female"}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"female\" is not allowed for Tag_Profile_IM_Gender.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_AllowType","Value":""}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"\" is not allowed for Tag_Profile_IM_AllowType.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_All"}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"AdminForbid_Type_All\" is not allowed for Tag_Profile_IM_AdminForbidType.","ErrorDisplay":""}

# 17 bytes; 16 are allowed.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Location","Value":"<é*8>!"}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"<é*8>!\" is not allowed for Tag_Profile_IM_Location.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Location","Value":"<x*65>"}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"<x*64>...\" is not allowed for Tag_Profile_IM_Location.","ErrorDisplay":""}

# Parameters, then the account, then the items one by one.
POST /v4/profile/portrait_set?Q
{"From_Account":"nobody","ProfileItem":[{"Tag":"Tag_Profile_IM_Shoes","Value":"A"},{"Tag":"Tag_Profile_IM_Nick"}]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"nobody","ProfileItem":[{"Tag":"Tag_Profile_IM_Shoes","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"nobody\" is not imported.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":"3"},{"Tag":"Tag_Profile_IM_Shoes","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_IM_Level must be a uint32.","ErrorDisplay":""}

# All items or none: the right ones above wrote nothing, nor does this one.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Al"},{"Tag":"Tag_Profile_IM_Gender","Value":"x"}]}
{"ActionStatus":"FAIL","ErrorCode":40605,"ErrorInfo":"\"x\" is not allowed for Tag_Profile_IM_Gender.","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Level","Tag_Profile_IM_Gender"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}

/// Wire §3.9: the checks, in their order.
#[test]
fn portrait_get_refused() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/profile/portrait_get?Q
{"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40002,"ErrorInfo":"To_Account is missing or empty.","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":null,"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40002,"ErrorInfo":"To_Account is missing or empty.","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":[],"TagList":7}
{"ActionStatus":"FAIL","ErrorCode":40002,"ErrorInfo":"To_Account is missing or empty.","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":"alice","TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice",7],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":[]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":"Tag_Profile_IM_Nick"}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick",null]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

# 501 accounts.
POST /v4/profile/portrait_get?Q
{"To_Account":[<"alice",*501>],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

# 101 Tags.
POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":[<"Tag_Profile_IM_Nick",*101>]}
{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}

# An unknown Tag fails the whole call, whoever is asked about.
POST /v4/profile/portrait_get?Q
{"To_Account":["administrator","nobody"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_Custom_Shoes"]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"Tag_Profile_Custom_Shoes\".","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["nobody"],"TagList":["<x*65>"]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"<x*64>...\".","ErrorDisplay":""}
"#,
        );
    });
}

/// Wire §3.8, §3.9: every standard field there and back, at its limits.
#[test]
fn profiles() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","Nick":"Alice","FaceUrl":"https://img.example.com/alice.png"},{"UserID":"bob"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# Nick and Image are those of the import, and always count as set; what was never set is left out.
POST /v4/profile/portrait_get?Q
{"To_Account":["alice","bob"],"TagList":["Tag_Profile_IM_Image","Tag_Profile_IM_Gender","Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Image","Value":"https://img.example.com/alice.png"},{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"bob","ProfileItem":[{"Tag":"Tag_Profile_IM_Image","Value":""},{"Tag":"Tag_Profile_IM_Nick","Value":""}],"ResultCode":0,"ResultInfo":""}]}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Level"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[],"ResultCode":0,"ResultInfo":""}]}

# Every field, each at its limit.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"<é*250>"},
 {"Tag":"Tag_Profile_IM_Image","Value":"<x*500>"},
 {"Tag":"Tag_Profile_IM_SelfSignature","Value":"<😀*125>"},
 {"Tag":"Tag_Profile_IM_Location","Value":"<é*8>"},
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Female"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_NeedConfirm"},
 {"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_SendOut"},
 {"Tag":"Tag_Profile_IM_BirthDay","Value":19990228},
 {"Tag":"Tag_Profile_IM_Language","Value":0},
 {"Tag":"Tag_Profile_IM_MsgSettings","Value":4294967295},
 {"Tag":"Tag_Profile_IM_Level","Value":1},
 {"Tag":"Tag_Profile_IM_Role","Value":2}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

# In the order of TagList; a repeated Tag once, at its first place.
POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Role","Tag_Profile_IM_Level","Tag_Profile_IM_MsgSettings","Tag_Profile_IM_Language","Tag_Profile_IM_BirthDay","Tag_Profile_IM_AdminForbidType","Tag_Profile_IM_AllowType","Tag_Profile_IM_Gender","Tag_Profile_IM_Location","Tag_Profile_IM_SelfSignature","Tag_Profile_IM_Role","Tag_Profile_IM_Image","Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Role","Value":2},
 {"Tag":"Tag_Profile_IM_Level","Value":1},
 {"Tag":"Tag_Profile_IM_MsgSettings","Value":4294967295},
 {"Tag":"Tag_Profile_IM_Language","Value":0},
 {"Tag":"Tag_Profile_IM_BirthDay","Value":19990228},
 {"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_SendOut"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_NeedConfirm"},
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Female"},
 {"Tag":"Tag_Profile_IM_Location","Value":"<é*8>"},
 {"Tag":"Tag_Profile_IM_SelfSignature","Value":"<😀*125>"},
 {"Tag":"Tag_Profile_IM_Image","Value":"<x*500>"},
 {"Tag":"Tag_Profile_IM_Nick","Value":"<é*250>"}],"ResultCode":0,"ResultInfo":""}]}

# The other words; of a repeated Tag the last counts; what is not named stays.
POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Unknown"},
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Male"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_AllowAny"},
 {"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_None"},
 {"Tag":"Tag_Profile_IM_SelfSignature","Value":""},
 {"Tag":"Tag_Profile_IM_Location","Value":""}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Gender","Tag_Profile_IM_AllowType","Tag_Profile_IM_AdminForbidType","Tag_Profile_IM_SelfSignature","Tag_Profile_IM_Location","Tag_Profile_IM_Level"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Male"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_AllowAny"},
 {"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_None"},
 {"Tag":"Tag_Profile_IM_SelfSignature","Value":""},
 {"Tag":"Tag_Profile_IM_Location","Value":""},
 {"Tag":"Tag_Profile_IM_Level","Value":1}],"ResultCode":0,"ResultInfo":""}]}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Unknown"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_DenyAny"},
 {"Tag":"Tag_Profile_IM_Nick","Value":"Al"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

# An import overwrites Nick, and leaves the other fields.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"Alice again"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Gender","Tag_Profile_IM_AllowType"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"Alice again"},
 {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Unknown"},
 {"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_DenyAny"}],"ResultCode":0,"ResultInfo":""}]}

# One item per account asked about, in that order; who failed is named once.
POST /v4/profile/portrait_get?Q
{"To_Account":["nobody","alice","josé","nobody","alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"nobody","ResultCode":40003,"ResultInfo":"Account \"nobody\" is not imported."},
 {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice again"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"josé","ResultCode":40003,"ResultInfo":"Account \"josé\" is not imported."},
 {"To_Account":"nobody","ResultCode":40003,"ResultInfo":"Account \"nobody\" is not imported."},
 {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice again"}],"ResultCode":0,"ResultInfo":""}],"Fail_Account":["nobody","josé"]}

# All failed is still OK.
POST /v4/profile/portrait_get?Q
{"To_Account":[""],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"","ResultCode":40003,"ResultInfo":"Account \"\" is not imported."}],"Fail_Account":[""]}

# 500 accounts, 100 Tags, 100 items are allowed.
POST /v4/profile/portrait_set?Q
{"From_Account":"bob","ProfileItem":[<{"Tag":"Tag_Profile_IM_Level","Value":1},*99>,{"Tag":"Tag_Profile_IM_Level","Value":9}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":[<"bob",*500>],"TagList":[<"Tag_Profile_IM_Level",*100>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[<{"To_Account":"bob","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":9}],"ResultCode":0,"ResultInfo":""},*500>]}

# administrator exists from the start.
POST /v4/profile/portrait_get?Q
{"To_Account":["administrator"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}

/// 500 accounts, each text as long as it gets when JSON has to escape all of it.
#[test]
fn the_largest_answer() {
    let text = r"\u0001".repeat(500);
    let item = |tag| format!(r#"{{"Tag":"Tag_Profile_IM_{tag}","Value":"{text}"}}"#);
    let items = ["Nick", "Image", "SelfSignature"].map(item).join(",");
    let entry = format!(
        r#"{{"To_Account":"alice","ProfileItem":[{items}],"ResultCode":0,"ResultInfo":""}}"#
    );
    let entries = vec![entry; 500].join(",");
    serving(|server| {
        run_with(
            server,
            &[("500 entries", &entries)],
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"<\u0001*500>","FaceUrl":"<\u0001*500>"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_SelfSignature","Value":"<\u0001*500>"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":[<"alice",*500>],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image","Tag_Profile_IM_SelfSignature"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[<500 entries>]}
"#,
        );
    });
}
