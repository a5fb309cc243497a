// Signs with the npm package tls-sig-api-v2, unmodified, and calls muster with each of its tokens.
// Environment: MUSTER_URL is where the account API is, MUSTER_KEY the app's secret key.
const assert = require("node:assert");
const http = require("node:http");
const { Api } = require("tls-sig-api-v2");

const SDKAPPID = 1400000000;
const api = new Api(SDKAPPID, process.env.MUSTER_KEY);

function check(usersig) {
  const query = `usersig=${usersig}&identifier=administrator&sdkappid=${SDKAPPID}&contenttype=json`;
  const url = `${process.env.MUSTER_URL}/v4/im_open_login_svc/account_check?${query}`;
  return new Promise((resolve, reject) => {
    // As the official Node client of 2016 did: chunked, and no Content-Type.
    const request = http.request(url, { method: "POST" }, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    });
    request.on("error", reject);
    request.write('{"CheckItem":[{"UserID":');
    request.end('"administrator"}]}');
  });
}

async function main() {
  const tokens = [
    api.genSig("administrator", 86400),
    api.genUserSig("administrator", 86400),
    api.genPrivateMapKey("administrator", 86400, 10000, 255),
    api.genPrivateMapKeyWithStringRoomID("administrator", 86400, "room", 255),
  ];
  for (const token of tokens) {
    const { status, body } = await check(token);
    assert.strictEqual(status, 200);
    assert.strictEqual(body.ErrorCode, 0, JSON.stringify(body));
    assert.strictEqual(body.ResultItem[0].AccountStatus, "Imported");
  }
  const { body } = await check(new Api(SDKAPPID, "0".repeat(64)).genSig("administrator", 86400));
  assert.strictEqual(body.ErrorCode, 70009);
  console.log("node: all tokens verified as documented");
}

main();
