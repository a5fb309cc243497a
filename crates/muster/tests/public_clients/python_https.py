"""Calls https://console.tim.qq.com with the PyPI package tencentcloud-sdk-python-im, unmodified.

Nothing here says where the server is: the package has the name built in. Environment: MUSTER_KEY is
the app's secret key; HTTPS_PROXY leads to the server, REQUESTS_CA_BUNDLE says what to trust.
"""

import os

from tencentcloud_im.tcim_client import TCIM_API_BASE, TCIMClient

assert TCIM_API_BASE == "https://console.tim.qq.com/v4", TCIM_API_BASE
client = TCIMClient(1400000000, os.environ["MUSTER_KEY"], "administrator")


def answer(response):
    assert response.status_code == 200, (response.status_code, response.text)
    body = response.json()
    assert (body["ActionStatus"], body["ErrorCode"]) == ("OK", 0), body
    return body


answer(client.add_single_user("py_tls", "Nick 一", "http://www.qq.com"))
found = answer(client.search_user(["py_tls", "py_nope"]))["ResultItem"]
statuses = {item["UserID"]: item["AccountStatus"] for item in found}
assert statuses == {"py_tls": "Imported", "py_nope": "NotImported"}, found
print("python: an account imported and found over HTTPS")
