/**
 * What the golden batches hold. kafkajs cannot say everything Kafka can: headers are an object
 * whose names hold a value or a list of them, and none of them is null.
 *
 * A key, value or header is null, a string, or `{ repeat, times }` for large ones.
 */

const T = 1_700_000_000_000

/** Fields of a batch that no idempotent producer wrote. */
const PLAIN = {
  codec: 'none',
  partitionLeaderEpoch: -1,
  producerId: -1,
  producerEpoch: -1,
  firstSequence: -1,
  transactional: false,
}

const record = (key, value, headers = {}, timestamp = T) => ({ key, value, headers, timestamp })

const MIXED = [
  record('order-123', 'created', { source: 'web', trace: ['a', 'b', ''] }),
  record(null, 'no key', {}, T + 7),
  record('order-123', null, {}, T + 5),
  record('', '', { '': '' }, T + 1_000_000_000),
]

const MANY = Array.from({ length: 300 }, (_, index) =>
  record(`key-${index % 17}`, `value-${index}`, index % 50 === 0 ? { index: `${index}` } : {}),
)

export const CASES = [
  { name: 'one record', records: [record('k', 'v')] },
  { name: 'null key', records: [record(null, 'v')] },
  { name: 'tombstone', records: [record('k', null)] },
  { name: 'neither key nor value', records: [record(null, null)] },
  { name: 'empty key and empty value', records: [record('', '')] },
  { name: 'mixed', records: MIXED },
  {
    name: 'unicode',
    records: [
      record('ключ', 'größer als \u{1f40e}, 大き\u0000い', { 'заголовок-ü': ['€', '\u{10ffff}'] }),
      record('é'.repeat(31), '\u{1f600}'.repeat(40)),
    ],
  },
  {
    name: 'timestamps that go back',
    records: [
      record('a', '1', {}, T),
      record('a', '2', {}, T - 1),
      record('a', '3', {}, T - 64),
      record('a', '4', {}, T - 65),
      record('a', '5', {}, 0),
      record('a', '6', {}, T + 2 ** 40),
    ],
  },
  {
    name: 'lengths at the borders of a varint',
    records: [0, 1, 50, 55, 56, 57, 63, 64, 8_170, 8_192].map(times =>
      record(null, { repeat: 'x', times }),
    ),
  },
  {
    name: 'text whose bytes outgrow its characters',
    records: [20, 31, 32, 33, 63, 64, 2_731].map(times =>
      record({ repeat: 'ü', times: 33 }, { repeat: '€', times }),
    ),
  },
  { name: 'many records', records: MANY },
  { name: 'many headers', records: [record('k', 'v', manyHeaders(70))] },
  {
    name: 'idempotent',
    batch: { producerId: 4242, producerEpoch: 3, firstSequence: 17 },
    records: MIXED,
  },
  {
    name: 'idempotent at the upper borders',
    batch: {
      producerId: Number.MAX_SAFE_INTEGER,
      producerEpoch: 2 ** 15 - 1,
      firstSequence: 2 ** 31 - 1,
      partitionLeaderEpoch: 2 ** 31 - 1,
    },
    records: MIXED,
  },
  {
    name: 'transactional',
    batch: { producerId: 7, producerEpoch: 0, firstSequence: 0, transactional: true },
    records: MIXED,
  },
  { name: 'gzip', batch: { codec: 'gzip' }, records: MIXED },
  {
    name: 'gzip, idempotent and transactional',
    batch: {
      codec: 'gzip',
      producerId: 7,
      producerEpoch: 1,
      firstSequence: 300,
      transactional: true,
    },
    records: MANY,
  },
  {
    name: 'gzip with lengths of three and four bytes',
    batch: { codec: 'gzip' },
    records: [
      record('k', { repeat: 'partlog ', times: 2_000 }),
      record('k', { repeat: 'partlog ', times: 200_000 }),
    ],
  },
].map(({ name, batch, records }) => ({ name, batch: { ...PLAIN, ...batch }, records }))

function manyHeaders(count) {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`header-${index}`, `${index}`.repeat(index % 5)]),
  )
}

/** The text of a key, value or header. */
export function textOf(content) {
  if (content === null || typeof content === 'string') return content
  return content.repeat.repeat(content.times)
}
