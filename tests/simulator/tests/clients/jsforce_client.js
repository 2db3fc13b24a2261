// jsforce against the simulator: login by SOAP, and all of conn.soap that is there.
//
// Usage: node jsforce_client.js URL

'use strict';

const assert = require('node:assert/strict');
const jsforce = require('jsforce');
const { ApiSchemas } = require('jsforce/lib/api/soap/schema');

const url = process.argv[2].replace(/\/$/, '');
const user = 'admin@example.com';
const password = 'correct horse';
const token = 'TOKEN123';

function connection(version = '64.0') {
  return new jsforce.Connection({ loginUrl: url, version, logLevel: 'NONE' });
}

async function control(method, path, body) {
  const answer = await fetch(`${url}/_control${path}`, { method, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, `${method} ${path}`);
  return answer.json();
}

async function refusals() {
  const invalid = /^INVALID_LOGIN: Invalid username, password, security token; or user locked out\.$/;
  await assert.rejects(connection().login(user, 'wrong'), { message: invalid });
  await assert.rejects(connection().login(user, password), { message: /^LOGIN_MUST_USE_SECURITY_TOKEN: / });
  await assert.rejects(connection('65.0').login(user, password + token), {
    message: /^INVALID_OPERATION: The SOAP Login operation is not available in the API version specified \(65\.0\)/,
  });
  await control('PATCH', `/users/${user}`, { passwordExpired: true });
  await assert.rejects(connection().login(user, password + token), { message: /password has expired/ });
  await control('PATCH', `/users/${user}`, { passwordExpired: false });
}

async function reading(conn) {
  const info = await conn.soap.getUserInfo();
  assert.equal(info.userName, user);
  assert.equal(info.organizationId, '00D000000000001EAA');
  assert.equal(info.sessionSecondsValid, 7200);
  assert.equal(info.organizationMultiCurrency, false);
  assert.equal(info.userDefaultCurrencyIsoCode, null);
  const { timestamp } = await conn.soap.getServerTimestamp();
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

  const invoke = (method, message, schema) => conn.soap._invoke(method, message, schema);
  const global = await invoke('describeGlobal', {}, ApiSchemas.DescribeGlobalResult);
  assert.equal(global.maxBatchSize, 200);
  assert.ok(global.sobjects.some((object) => object.name === 'Contact' && object.replicateable));
  const [contact] = await invoke('describeSObjects', { sObjectType: ['Contact', 'Lead'] }, [
    ApiSchemas.DescribeSObjectResult,
  ]);
  const lastName = contact.fields.find((field) => field.name === 'LastName');
  assert.deepEqual([lastName.type, lastName.length, lastName.nillable], ['string', 80, false]);

  const page = await invoke(
    'queryAll',
    { queryString: "SELECT Id, LastName FROM Contact ORDER BY SystemModstamp, Id LIMIT 2500" },
    ApiSchemas.QueryResult,
  );
  assert.deepEqual([page.done, page.size, page.records.length], [false, 2500, 2000]);
  const rest = await invoke('queryMore', { queryLocator: page.queryLocator }, ApiSchemas.QueryResult);
  assert.deepEqual([rest.done, rest.queryLocator, rest.size, rest.records.length], [true, null, 2500, 500]);
  await assert.rejects(invoke('queryMore', { queryLocator: page.queryLocator }, ApiSchemas.QueryResult), {
    errorCode: 'sf:INVALID_QUERY_LOCATOR',
  });
  await assert.rejects(invoke('query', { queryString: 'SELECT Naem FROM Contact' }, ApiSchemas.QueryResult), {
    errorCode: 'sf:INVALID_FIELD',
    message: /No such column 'Naem' on entity 'Contact'/,
  });
}

async function writing(conn) {
  const start = new Date(Date.now() - 10 * 60_000).toISOString();
  const made = await conn.soap.create([
    { type: 'Contact', LastName: 'Jürgens & <Söhne>', Phone: '1' },
    { type: 'Contact', Nix: 'x' },
  ]);
  assert.deepEqual([made[0].success, made[0].errors.length], [true, 0]);
  assert.deepEqual([made[1].success, made[1].errors[0].statusCode], [false, 'INVALID_FIELD']);
  const { id } = made[0];
  const saved = await conn.soap.update({ type: 'Contact', Id: id, Phone: null, FirstName: 'Jo' });
  assert.equal(saved.success, true);
  const row = await control('GET', `/rows/Contact/${id}`);
  assert.deepEqual([row.fields.Name, row.fields.Phone], ['Jo Jürgens & <Söhne>', null]);

  const other = await conn.soap.create({ type: 'Contact', LastName: 'Loser' });
  const merged = await conn.soap.merge({ masterRecord: { type: 'Contact', Id: id }, recordToMergeIds: [other.id] });
  assert.deepEqual([merged.success, merged.mergedRecordIds], [true, [other.id]]);
  assert.equal((await conn.soap.delete(id)).success, true);
  assert.equal((await conn.soap.undelete([id]))[0].success, true);
  assert.equal((await conn.soap.delete([id]))[0].success, true);
  assert.equal((await conn.soap.emptyRecycleBin([id]))[0].success, true);

  // The window's end lies after what was deleted; the org's clock is moved there.
  await control('PUT', '/clock', { advanceSeconds: 120 });
  const end = (await conn.soap.getServerTimestamp()).timestamp;
  const window = { sObjectType: 'Contact', startDate: start, endDate: end };
  const deleted = await conn.soap._invoke('getDeleted', window, ApiSchemas.GetDeletedResult);
  assert.deepEqual(deleted.deletedRecords.map((record) => record.id).sort(), [id, other.id].sort());
  const updated = await conn.soap._invoke('getUpdated', window, ApiSchemas.GetUpdatedResult);
  assert.equal(updated.ids.length, 0);
}

async function sessions(conn) {
  const first = conn.accessToken;
  await control('POST', '/sessions/end', {});
  // jsforce sees the fault, logs in again and repeats the call.
  assert.equal((await conn.soap.getUserInfo()).userName, user);
  assert.notEqual(conn.accessToken, first);
  const info = await conn.soap.getUserInfo();
  await conn.soap.setPassword(info.userId, 'another horse');
  const changed = (await control('GET', '/users')).find((own) => own.username === user).token;
  await connection().login(user, `another horse${changed}`);
  await control('PATCH', `/users/${user}`, { password, token });
  await conn.logout();
  assert.equal(conn.accessToken, null);
}

async function main() {
  await refusals();
  const conn = connection();
  const { id, organizationId } = await conn.login(user, password + token);
  assert.deepEqual([id.slice(0, 3), organizationId], ['005', '00D000000000001EAA']);
  assert.equal(conn.instanceUrl, url);
  await reading(conn);
  await writing(conn);
  await sessions(conn);
  console.log('jsforce: all is well');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
