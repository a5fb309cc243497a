"""Drives muster with the PyPI package tencentcloud-sdk-python-im, unmodified.

Environment: MUSTER_URL is where the account API is, MUSTER_KEY the app's secret key.
With the argument `import` it imports and asks back; with `check` it only asks back, so that a test
can restart the server in between.
"""

import os
import sys

import requests
from TLSSigAPIv2 import TLSSigAPIv2
from tencentcloud_im.tcim_client import TCIMClient

SDKAPPID = 1400000000
KEY = os.environ["MUSTER_KEY"]
URL = os.environ["MUSTER_URL"]
client = TCIMClient(SDKAPPID, KEY, "administrator", tencent_url=URL + "/v4")


def expect(answer, **expected):
    assert answer.status_code == 200, (answer.status_code, answer.text)
    body = answer.json()
    for field, value in expected.items():
        assert body[field] == value, (field, value, body)


def status(user, found):
    imported = "Imported" if found else "NotImported"
    return {"UserID": user, "ResultCode": 0, "ResultInfo": "", "AccountStatus": imported}


def import_users():
    expect(client.add_single_user("py_u1", "Nick 一", "http://www.qq.com"), ActionStatus="OK", ErrorCode=0)
    expect(client.batch_add_users(["py_u1", "py_u2", "py_u3"]), ErrorCode=0, FailAccounts=[])
    # A user id that cannot be imported comes back by name.
    expect(client.batch_add_users(["py_u1", "josé"]), ErrorCode=0, FailAccounts=["josé"])
    # The library's signature with another key is told from a good one.
    stranger = TCIMClient(SDKAPPID, "0" * 64, "administrator", tencent_url=URL + "/v4")
    expect(stranger.batch_add_users(["py_u4"]), ActionStatus="FAIL", ErrorCode=70009)


def check_users():
    expect(
        client.search_user(["py_u1", "py_u3", "py_nope"]),
        ErrorCode=0,
        ResultItem=[status("py_u1", True), status("py_u3", True), status("py_nope", False)],
    )
    # The generator from PyPI on its own, also with a userbuf.
    generator = TLSSigAPIv2(SDKAPPID, KEY)
    for usersig in [
        generator.gen_sig("administrator", 86400),
        generator.gen_sig_with_userbuf("administrator", 86400, b"abc"),
    ]:
        query = {
            "sdkappid": SDKAPPID,
            "identifier": "administrator",
            "usersig": usersig,
            "random": 99999999,
            "contenttype": "json",
        }
        answer = requests.post(
            URL + "/v4/profile/portrait_get",
            params=query,
            json={"To_Account": ["py_u1"], "TagList": ["Tag_Profile_IM_Nick", "Tag_Profile_IM_Image"]},
            timeout=10,
        )
        profile = {
            "To_Account": "py_u1",
            "ProfileItem": [
                {"Tag": "Tag_Profile_IM_Nick", "Value": "Nick 一"},
                {"Tag": "Tag_Profile_IM_Image", "Value": "http://www.qq.com"},
            ],
            "ResultCode": 0,
            "ResultInfo": "",
        }
        expect(answer, ErrorCode=0, UserProfileItem=[profile])


if sys.argv[1] == "import":
    import_users()
check_users()
print("python: all calls answered as documented")
