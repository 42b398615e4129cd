// The AWS SDK for JavaScript v2 against Pocket: client, managed uploads, presigned URLs, waiters, conditions. It reads some
// answers by pattern, and the Location of an upload as a URL, where its successors have parsers of their own.

import AWS from "aws-sdk";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";

const MIB = 1 << 20;
// More than one page of a list.
const LISTED_KEYS = 1_005;
const WRITERS = 8;
// The server for "full" holds 32 MiB; each object fits it, all together do not.
const FILL_BYTES = 8 * MIB;
const FILL_OBJECTS = 8;
const WAIT = { $waiter: { delay: 1, maxAttempts: 10 } };
// What XML cannot say is listed by encoding-type=url alone, which the SDK sends for nobody.
const ODD_KEYS = [
  "a", "a/b", "dir/", "//x", "two  spaces", "plus+and%20percent%", "?query&amp;=#", "ümläut-ß-日本", "<xml>'\"", "dots/../.",
  `${"k".repeat(200)}/${"é".repeat(350)}`, "tab\tline\nbreak\r", "./a", "a/../b",
];
// What each step shows of what every client has.
const SHOWN = {
  objects: "#bytes #ranges", keys: "#odd-keys #deletion", multipart: "#multipart", conditions: "#precondition", pages: "#list",
  missing: "#missing",
};

const client = connect(process.env.POCKET_ENDPOINT);
const Bucket = await newBucket(client);
for (const step of [objects, keys, copies, uploads, multipart, conditions, pages, presigned, missing]) {
  await step();
  console.log("ok", step.name, SHOWN[step.name] ?? "");
}
await removeBucket(client, Bucket);
console.log("ok waiters and removal");
await full(connect(process.env.POCKET_SMALL_ENDPOINT));
console.log("ok full is throttling, and passes #full");

function connect(address) {
  const client = new AWS.S3({ endpoint: address, s3ForcePathStyle: true });
  return client;
}

async function newBucket(client) {
  const Bucket = `js-${randomBytes(8).toString("hex")}`;
  const { Location } = await client.createBucket({ Bucket }).promise();
  assert.equal(Location, `/${Bucket}`);
  await client.waitFor("bucketExists", { Bucket, ...WAIT }).promise();
  return Bucket;
}

async function removeBucket(client, Bucket) {
  for (;;) {
    const { Contents } = await client.listObjectsV2({ Bucket }).promise();
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length === 0) break;
    const answer = await client.deleteObjects({ Bucket, Delete: { Objects } }).promise();
    assert.deepEqual(answer.Errors, []);
    assert.equal(answer.Deleted.length, Objects.length);
  }
  await client.deleteBucket({ Bucket }).promise();
  await client.waitFor("bucketNotExists", { Bucket, ...WAIT }).promise();
}

async function objects() {
  const Key = "object", Body = randomBytes(300_000);
  const put = await client.putObject({ Bucket, Key, Body, ContentType: "text/x-noise", Metadata: { colour: "blue" } }).promise();
  const head = await client.headObject({ Bucket, Key }).promise();
  assert.deepEqual(
    [head.ContentLength, head.ETag, head.ContentType, head.Metadata],
    [Body.length, put.ETag, "text/x-noise", { colour: "blue" }],
  );
  assert.ok(head.LastModified instanceof Date && !Number.isNaN(head.LastModified.valueOf()));
  same(await get(Key), Body);
  same(await get(Key, { Range: "bytes=100-299" }), Body.subarray(100, 300));
  same(await get(Key, { Range: "bytes=-7" }), Body.subarray(-7));
  await expect(get(Key, { Range: "bytes=300000-" }), "InvalidRange", 416);
  await client.putObjectTagging({ Bucket, Key, Tagging: { TagSet: [{ Key: "a b", Value: "ü + 1" }] } }).promise();
  assert.deepEqual((await client.getObjectTagging({ Bucket, Key }).promise()).TagSet, [{ Key: "a b", Value: "ü + 1" }]);
}

async function keys() {
  for (const [i, key] of ODD_KEYS.entries()) {
    const Body = randomBytes(100 + i);
    await client.putObject({ Bucket, Key: `odd/${key}`, Body }).promise();
    same(await get(`odd/${key}`), Body);
  }
  const expected = ODD_KEYS.map((key) => Buffer.from(`odd/${key}`)).sort(Buffer.compare).map(String);
  for (const list of ["listObjects", "listObjectsV2"]) {
    const { Contents } = await client[list]({ Bucket, Prefix: "odd/" }).promise();
    assert.deepEqual(Contents.map(({ Key }) => Key), expected, list);
  }
  const Objects = expected.map((Key) => ({ Key }));
  const deleted = await client.deleteObjects({ Bucket, Delete: { Objects } }).promise();
  assert.deepEqual(deleted.Deleted.map(({ Key }) => Key).sort(), [...expected].sort());
  assert.deepEqual(deleted.Errors, []);
  const quiet = await client.deleteObjects({ Bucket, Delete: { Objects: [{ Key: "never" }], Quiet: true } }).promise();
  assert.deepEqual([quiet.Deleted, quiet.Errors], [[], []]);
  const left = await client.listObjectsV2({ Bucket, Prefix: "odd/" }).promise();
  assert.equal(left.KeyCount, 0);
}

async function copies() {
  const Key = "source +%ü", Body = randomBytes(100_000);
  await client.putObject({ Bucket, Key, Body, Metadata: { colour: "blue" } }).promise();
  // The SDK looks for an error in the answer before it reads it.
  const copy = await client.copyObject({ Bucket, Key: "copy", CopySource: encodeURI(`${Bucket}/${Key}`).replace("+", "%2B") }).promise();
  assert.ok(copy.CopyObjectResult.LastModified instanceof Date);
  const head = await client.headObject({ Bucket, Key: "copy" }).promise();
  assert.deepEqual([head.ETag, head.Metadata], [copy.CopyObjectResult.ETag, { colour: "blue" }]);
  same(await get("copy"), Body);
  await expect(client.copyObject({ Bucket, Key: "copy", CopySource: `${Bucket}/missing` }).promise(), "NoSuchKey", 404);
}

async function uploads() {
  const Key = "uploaded +%ü/x", Body = randomBytes(21 * MIB + 13);
  const done = await client.upload({ Bucket, Key, Body }, { partSize: 5 * MIB }).promise();
  assert.deepEqual([done.Bucket, done.Key], [Bucket, Key]);
  located(done.Location, Key);
  same(await get(Key), Body);
  const part = await client.getObject({ Bucket, Key, PartNumber: 5 }).promise();
  assert.equal(part.PartsCount, 5);
  same(part.Body, Body.subarray(20 * MIB));

  // Of unknown length, and the pieces are not those of the upload.
  const pieces = Array.from({ length: 13 }, () => randomBytes(MIB - 1));
  const stream = new PassThrough();
  const streamed = client.upload({ Bucket, Key: "streamed", Body: stream }).promise();
  pieces.forEach((piece) => stream.write(piece));
  stream.end();
  located((await streamed).Location, "streamed");
  same(await get("streamed"), Buffer.concat(pieces));
  // What fits one part is a PUT, whose Location the SDK makes itself.
  located((await client.upload({ Bucket, Key: "small", Body: "small" }).promise()).Location, "small");
}

async function multipart() {
  const Key = "by hand", Body = randomBytes(11 * MIB);
  const { UploadId } = await client.createMultipartUpload({ Bucket, Key }).promise();
  const upload = { Bucket, Key, UploadId };
  const Parts = [];
  for (const [i, piece] of [Body.subarray(0, 5 * MIB), Body.subarray(5 * MIB, 10 * MIB)].entries()) {
    const PartNumber = i + 1;
    const { ETag } = await client.uploadPart({ ...upload, PartNumber, Body: piece }).promise();
    Parts.push({ PartNumber, ETag });
  }
  await client.putObject({ Bucket, Key: "rest", Body: Body.subarray(10 * MIB) }).promise();
  const copied = await client.uploadPartCopy({ ...upload, PartNumber: 3, CopySource: `${Bucket}/rest` }).promise();
  Parts.push({ PartNumber: 3, ETag: copied.CopyPartResult.ETag });
  const listed = await client.listParts({ ...upload, MaxParts: 2 }).promise();
  assert.deepEqual([listed.Parts.length, listed.IsTruncated], [2, true]);
  const bent = [{ ...Parts[0], ETag: '"bent"' }, ...Parts.slice(1)];
  await expect(client.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: bent } }).promise(), "InvalidPart", 400);
  const done = await client.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } }).promise();
  assert.deepEqual([done.Bucket, done.Key], [Bucket, Key]);
  assert.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
  located(done.Location, Key);
  same(await get(Key), Body);

  const given = await client.createMultipartUpload({ Bucket, Key }).promise();
  await client.abortMultipartUpload({ Bucket, Key, UploadId: given.UploadId }).promise();
  await expect(client.listParts({ Bucket, Key, UploadId: given.UploadId }).promise(), "NoSuchUpload", 404);
}

async function conditions() {
  const Key = "conditional";
  const write = (Body, when) => client.putObject({ Bucket, Key, Body, ...when }).promise();
  const first = await write("first", { IfNoneMatch: "*" });
  await expect(write("again", { IfNoneMatch: "*" }), "PreconditionFailed", 412);
  // Of writes it knows no other condition.
  const second = await write("second");
  await expect(get(Key, { IfNoneMatch: second.ETag }), "NotModified", 304);
  await expect(get(Key, { IfMatch: first.ETag }), "PreconditionFailed", 412);
  same(await get(Key), Buffer.from("second"));
}

async function pages() {
  const name = (i) => `many/${String(i).padStart(5, "0")}`;
  let next = 0;
  const writer = async () => {
    while (next < LISTED_KEYS) {
      const i = next++;
      await client.putObject({ Bucket, Key: name(i), Body: `${i}` }).promise();
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const expected = Array.from({ length: LISTED_KEYS }, (_, i) => name(i));
  for (const list of ["listObjects", "listObjectsV2"]) {
    const listed = [], sizes = [];
    const read = (resolve, reject) => client[list]({ Bucket, Prefix: "many/" }).eachPage((error, page) => {
      if (error) return reject(error);
      if (page === null) return resolve();
      sizes.push(page.Contents.length);
      listed.push(...page.Contents.map(({ Key }) => Key));
    });
    await new Promise(read);
    assert.deepEqual(sizes, [1_000, LISTED_KEYS - 1_000], list);
    assert.deepEqual(listed, expected, list);
  }
  // By their order: "by hand", "conditional", and more.
  const folders = await client.listObjects({ Bucket, Delimiter: "/", MaxKeys: 2 }).promise();
  assert.deepEqual([folders.IsTruncated, folders.NextMarker], [true, "conditional"]);
}

async function presigned() {
  const Key = "presigned +%ü", data = randomBytes(100_000);
  const call = (method, url, body) => fetch(url, { method, body });
  for (const signatureVersion of ["v2", "v4"]) {
    const signer = new AWS.S3({ endpoint: process.env.POCKET_ENDPOINT, s3ForcePathStyle: true, signatureVersion });
    const url = (operation, more) => signer.getSignedUrlPromise(operation, { Bucket, Key, Expires: 60, ...more });
    const up = await call("PUT", await url("putObject"), data);
    assert.equal(up.status, 200, await up.text());
    const getUrl = await url("getObject", { ResponseContentType: "text/other" });
    const down = await call("GET", getUrl);
    assert.deepEqual([down.status, down.headers.get("content-type")], [200, "text/other"]);
    same(Buffer.from(await down.arrayBuffer()), data);
    assert.equal((await call("GET", getUrl.replace("text%2Fother", "text%2Fwrong"))).status, 403);
    assert.equal((await call("DELETE", await url("deleteObject"))).status, 204);
    const gone = await call("GET", getUrl);
    assert.equal(gone.status, 404);
    assert.match(await gone.text(), /<Code>NoSuchKey</);
  }
}

async function missing() {
  const Key = "missing";
  await expect(get(Key), "NoSuchKey", 404);
  await expect(client.headObject({ Bucket, Key }).promise(), "NotFound", 404);
  await client.deleteObject({ Bucket, Key }).promise();
  await expect(client.listObjectsV2({ Bucket: `${Bucket}-missing` }).promise(), "NoSuchBucket", 404);
  await expect(client.deleteBucket({ Bucket }).promise(), "BucketNotEmpty", 409);
}

async function full(client) {
  const Bucket = await newBucket(client);
  const Body = randomBytes(FILL_BYTES);
  const fill = async () => {
    for (let i = 0; i < FILL_OBJECTS; i++) await client.putObject({ Bucket, Key: `${i}`, Body }).promise();
  };
  try {
    const error = await expect(fill(), "SlowDown", 503);
    assert.ok(error.retryable, "the SDK takes it for something that passes");
    const first = await client.getObject({ Bucket, Key: "0" }).promise();
    same(first.Body, Body);
    await client.deleteObject({ Bucket, Key: "0" }).promise();
    // The SDK's own retries outlast the moment until the space is back.
    await client.putObject({ Bucket, Key: "0", Body }).promise();
  } finally {
    await removeBucket(client, Bucket);
  }
}

async function get(Key, more = {}) {
  const { Body } = await client.getObject({ Bucket, Key, ...more }).promise();
  return Body;
}

// A Location is a URL, and that of the object.
function located(location, Key) {
  const url = new URL(location);
  assert.equal(url.origin, new URL(process.env.POCKET_ENDPOINT).origin);
  assert.equal(decodeURIComponent(url.pathname), `/${Bucket}/${Key}`);
}

// The promise fails with this code and status, after whatever retries the SDK makes.
async function expect(promise, code, status) {
  const error = await promise.then(() => assert.fail(`expected ${code}`), (error) => error);
  assert.deepEqual([error.code, error.statusCode], [code, status], `${error.code}: ${error.message}`);
  return error;
}

function same(got, expected) {
  assert.ok(Buffer.compare(got, expected) === 0, `${got.length} other bytes than the ${expected.length} expected`);
}
