import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { logConfig } from '../../src/log/format/log-config.js'
import {
  checkSettingName,
  parseTopicConfig,
  settingTexts,
  SETTINGS_WITHOUT_EFFECT,
  settingValue,
  TOPIC_SETTINGS,
  type TopicSetting,
} from '../../src/model/topic-settings.js'

const DAY_MS = 86_400_000

function refusal(input: unknown): string {
  try {
    parseTopicConfig(input)
  } catch (error) {
    expect(error).toMatchObject({ name: 'PartlogError', code: 'INVALID_CONFIG' })
    return (error as Error).message
  }
  return 'accepted'
}

describe('the settings of a topic', () => {
  it("topic settings have Kafka's names and defaults", () => {
    const defaults = Object.fromEntries(
      Object.entries(TOPIC_SETTINGS).map(([name, { fallback }]) => [name, fallback]),
    )
    expect(defaults).toEqual({
      'segment.bytes': 1_073_741_824,
      'internal.segment.bytes': undefined,
      'segment.ms': 7 * DAY_MS,
      'segment.jitter.ms': 0,
      'segment.index.bytes': 10_485_760,
      'index.interval.bytes': 4096,
      'cleanup.policy': 'delete',
      'min.cleanable.dirty.ratio': 0.5,
      'min.compaction.lag.ms': 0,
      'max.compaction.lag.ms': Number.MAX_SAFE_INTEGER,
      'delete.retention.ms': 86_400_000,
      'retention.ms': 7 * DAY_MS,
      'retention.bytes': -1,
      'file.delete.delay.ms': 60_000,
      'max.message.bytes': 1_048_588,
      'compression.type': 'producer',
      'compression.gzip.level': -1,
      'compression.lz4.level': 9,
      'compression.zstd.level': 3,
      'message.timestamp.type': 'CreateTime',
      'message.timestamp.before.max.ms': Number.MAX_SAFE_INTEGER,
      'message.timestamp.after.max.ms': 3_600_000,
      'min.insync.replicas': 1,
      'unclean.leader.election.enable': false,
      'max.decompressed.message.bytes': 2_147_483_639,
      'flush.messages': Number.MAX_SAFE_INTEGER,
      'flush.ms': Number.MAX_SAFE_INTEGER,
      preallocate: false,
      'leader.replication.throttled.replicas': '',
      'follower.replication.throttled.replicas': '',
      'remote.storage.enable': false,
      'remote.log.copy.disable': false,
      'remote.log.delete.on.disable': false,
      'remote.copy.lag.ms': 0,
      'remote.copy.lag.bytes': -1,
      'local.retention.ms': -2,
      'local.retention.bytes': -2,
      'errors.deadletterqueue.group.enable': false,
    })
  })

  it('topic settings are stored as text, only those that were given', () => {
    const texts = parseTopicConfig({
      'retention.ms': 1000,
      'segment.bytes': '1048576',
      'unclean.leader.election.enable': true,
      'cleanup.policy': 'delete',
      'min.insync.replicas': undefined,
    })
    expect({ ...texts }).toEqual({
      'retention.ms': '1000',
      'segment.bytes': '1048576',
      'unclean.leader.election.enable': 'true',
      'cleanup.policy': 'delete',
    })
    expect({ ...parseTopicConfig(undefined) }).toEqual({})
    expect({ ...parseTopicConfig(null) }).toEqual({})
  })

  it('stored topic settings are read as values, the others as defaults', () => {
    const texts = parseTopicConfig({
      'retention.ms': '-1',
      'unclean.leader.election.enable': 'true',
    })
    expect(settingValue(texts, 'retention.ms')).toBe(-1)
    expect(settingValue(texts, 'unclean.leader.election.enable')).toBe(true)
    expect(settingValue(texts, 'retention.bytes')).toBe(-1)
    expect(settingValue(texts, 'internal.segment.bytes')).toBeUndefined()
  })

  it("Kafka's text for an unlimited time is accepted", () => {
    const texts = parseTopicConfig({ 'retention.ms': '9223372036854775807' })
    expect(settingValue(texts, 'retention.ms')).toBe(Number.MAX_SAFE_INTEGER)
  })

  it.each([
    ['segment.bytes', 1_048_576, 1_048_575],
    ['segment.bytes', 2 ** 31 - 1, 2 ** 31],
    ['internal.segment.bytes', 14, 13],
    ['segment.ms', 1, 0],
    ['segment.jitter.ms', 0, -1],
    ['segment.index.bytes', 12, 11],
    ['index.interval.bytes', 0, -1],
    ['retention.ms', -1, -2],
    ['retention.bytes', -1, -2],
    ['file.delete.delay.ms', 0, -1],
    ['max.message.bytes', 0, -1],
    ['message.timestamp.after.max.ms', 0, -1],
    ['message.timestamp.before.max.ms', 0, -1],
    ['min.insync.replicas', 1, 0],
    ['compression.gzip.level', 1, 0],
    ['compression.gzip.level', -1, -2],
    ['compression.gzip.level', 9, 10],
    ['compression.lz4.level', 1, 0],
    ['compression.lz4.level', 17, 18],
    ['compression.zstd.level', -131_072, -131_073],
    ['compression.zstd.level', 22, 23],
    ['max.decompressed.message.bytes', 1, 0],
    ['max.decompressed.message.bytes', 2_147_483_639, 2_147_483_640],
    ['flush.messages', 1, 0],
    ['flush.ms', 0, -1],
    ['remote.copy.lag.ms', -1, -2],
    ['remote.copy.lag.bytes', -1, -2],
    ['local.retention.ms', -2, -3],
    ['local.retention.bytes', -2, -3],
  ] as const)('the last valid value of %s is %i; %i is refused', (name, good, bad) => {
    expect(settingValue(parseTopicConfig({ [name]: good }), name)).toBe(good)
    expect(settingValue(parseTopicConfig({ [name]: String(good) }), name)).toBe(good)
    expect(refusal({ [name]: bad })).toContain(`topic setting ${name}: expected a whole number`)
    expect(refusal({ [name]: String(bad) })).toContain(`got "${bad}"`)
  })

  it.each([
    [{ 'retention.ms': 1.5 }, 'got 1.5'],
    [{ 'retention.ms': NaN }, 'got NaN'],
    [{ 'retention.ms': '1d' }, 'got "1d"'],
    [{ 'retention.ms': '' }, 'got ""'],
    [{ 'retention.ms': '5 6' }, 'got "5 6"'],
    [{ 'cleanup.policy': 'delete,,compact' }, 'one of "delete", "compact"'],
    [{ 'retention.ms': '1e3' }, 'got "1e3"'],
    [{ 'retention.ms': null }, 'got null'],
    [{ 'retention.ms': 10n }, 'got 10n'],
    [{ 'retention.ms': [1] }, 'got an array'],
    [{ 'cleanup.policy': 'keep' }, 'one of "delete", "compact"'],
    [{ 'message.timestamp.type': 'createtime' }, 'one of "CreateTime", "LogAppendTime"'],
    [{ 'unclean.leader.election.enable': 'yes' }, 'expected true or false'],
    [{ 'unclean.leader.election.enable': 1 }, 'expected true or false'],
    [{ preallocate: 'yes' }, 'expected true or false'],
    [{ 'remote.storage.enable': true }, 'expected false, as there is no tiered storage'],
    [{ 'remote.storage.enable': 'TRUE' }, 'expected false, as there is no tiered storage'],
    [{ 'leader.replication.throttled.replicas': 'none' }, 'expected "*" or replicas'],
    [{ 'leader.replication.throttled.replicas': '0:1,*' }, 'expected "*" or replicas'],
    [{ 'follower.replication.throttled.replicas': '0:-1' }, 'expected "*" or replicas'],
    [{ 'follower.replication.throttled.replicas': 1 }, 'expected "*" or replicas'],
    ['retention.ms=5', 'topic settings: expected an object, got "retention.ms=5"'],
    [[1], 'expected an object, got an array'],
    [7, 'expected an object, got 7'],
  ])('topic settings refuse %o', (input, sentence) => {
    expect(refusal(input)).toContain(sentence)
  })

  it.each([
    ['retention.m', 'did you mean retention.ms?'],
    ['Retention.MS', 'did you mean retention.ms?'],
    ['min.insync.replica', 'did you mean min.insync.replicas?'],
    ['colour', 'known are segment.bytes'],
    ['constructor', 'known are segment.bytes'],
    ['toString', 'known are segment.bytes'],
  ])('topic settings do not know %s', (name, hint) => {
    const sentence = `topic setting "${name}" does not exist: ${hint}`
    expect(refusal({ [name]: 1 })).toContain(sentence)
    expect(() => checkSettingName(name)).toThrow(sentence)
  })

  it.each(['*', '', '0:1,1:2', ' 0:1 , 0:2 ', '0:1,'])('throttled replicas may be "%s"', text => {
    const name = 'leader.replication.throttled.replicas'
    expect({ ...parseTopicConfig({ [name]: text }) }).toEqual({ [name]: text })
  })

  it('topic settings of a prototype are not read', () => {
    const input = JSON.parse('{"__proto__": {"retention.ms": "5"}}') as unknown
    expect(refusal(input)).toContain('topic setting "__proto__" does not exist')
    const inherited = Object.create({ 'retention.ms': '5' }) as object
    expect({ ...parseTopicConfig(inherited) }).toEqual({})
    expect(settingValue(parseTopicConfig({}), 'retention.ms')).toBe(7 * DAY_MS)
  })
})

it('the manual lists the settings that change nothing', () => {
  const manual = readFileSync(new URL('../../src/README.md', import.meta.url), 'utf8')
  const rows = manual.split('\n').filter(line => line.startsWith('| `'))
  for (const name of Object.keys(SETTINGS_WITHOUT_EFFECT)) {
    expect(rows.filter(row => row.split(' | ')[0]?.includes(`\`${name}\``)), name).toHaveLength(1)
  }
})

it('a stored setting that is not valid is refused, never taken for the default', () => {
  for (const text of ['', 'compcat', '-2', '9'.repeat(400)]) {
    expect(() => settingValue({ 'retention.ms': text }, 'retention.ms')).toThrow(
      `INVALID_CONFIG: topic setting retention.ms: the stored text "${text.slice(0, 1)}`,
    )
  }
})

describe('blanks, as Kafka takes them', () => {
  it.each([
    ['cleanup.policy', ' compact , delete ', 'compact,delete'],
    ['cleanup.policy', 'delete,compact', 'delete,compact'],
    ['cleanup.policy', '', ''],
    ['segment.bytes', ' 2000000 ', 2_000_000],
    ['unclean.leader.election.enable', 'TRUE', true],
    ['min.cleanable.dirty.ratio', ' .5', 0.5],
  ] as const)('%s "%s" is read as %j and stored as it was given', (name, text, value) => {
    const texts = parseTopicConfig({ [name]: text })
    expect(settingValue(texts, name)).toBe(value)
    expect(texts[name]).toBe(text)
  })

  it('a topic without a cleanup policy keeps everything', () => {
    const config = logConfig(parseTopicConfig({ 'cleanup.policy': '' }))
    expect([config.isCompacted, config.isDeleted]).toEqual([false, false])
  })
})

describe('the settings in a request', () => {
  it('the settings in a request are text that the brokers check', () => {
    const given = { 'flush.ms': 5, preallocate: true, x: 'y', none: undefined }
    expect(settingTexts(given)).toEqual({ 'flush.ms': '5', preallocate: 'true', x: 'y' })
    expect(settingTexts(undefined)).toEqual({})
  })

  it.each([
    [{ a: null }],
    [{ a: 2 ** 53 }],
    [{ a: NaN }],
    [{ a: {} }],
    [{ a: ['b'] }],
    [{ a: () => 1 }],
    [5],
    ['a'],
    [[]],
  ])('the settings in a request are never %j', given => {
    expect(() => settingTexts(given)).toThrow('INVALID_CONFIG')
  })
})

describe('the settings of a log', () => {
  it('every setting of a log follows that of its topic', () => {
    type Unused = 'internal.segment.bytes' | keyof typeof SETTINGS_WITHOUT_EFFECT
    const input: Readonly<Record<Exclude<TopicSetting, Unused>, unknown>> = {
      'segment.bytes': 2_000_000,
      'segment.ms': 11,
      'segment.jitter.ms': 12,
      'segment.index.bytes': 13,
      'index.interval.bytes': 14,
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': 0.25,
      'min.compaction.lag.ms': 22,
      'max.compaction.lag.ms': 23,
      'delete.retention.ms': 24,
      'retention.ms': 15,
      'retention.bytes': 16,
      'file.delete.delay.ms': 17,
      'max.message.bytes': 18,
      'max.decompressed.message.bytes': 25,
      'compression.type': 'lz4',
      'compression.gzip.level': 5,
      'compression.lz4.level': 12,
      'compression.zstd.level': 19,
      'message.timestamp.type': 'LogAppendTime',
      'message.timestamp.before.max.ms': 19,
      'message.timestamp.after.max.ms': 20,
      'min.insync.replicas': 21,
      'unclean.leader.election.enable': true,
    }
    const config = {
      segmentBytes: 2_000_000,
      compression: { codec: 'lz4', level: 12 },
      recordBytesMax: 25,
      segmentMs: 11,
      segmentJitterMs: 12,
      segmentIndexBytes: 13,
      indexIntervalBytes: 14,
      isCompacted: true,
      isDeleted: false,
      mayHaveGaps: true,
      minCleanableDirtyRatio: 0.25,
      minCompactionLagMs: 22,
      maxCompactionLagMs: 23,
      deleteRetentionMs: 24,
      retentionMs: 15,
      retentionBytes: 16,
      fileDeleteDelayMs: 17,
      maxMessageBytes: 18,
      timestampType: 'LogAppendTime',
      timestampBeforeMaxMs: 19,
      timestampAfterMaxMs: 20,
      minInsyncReplicas: 21,
    }
    expect(logConfig(parseTopicConfig(input))).toEqual(config)
    const small = { ...input, 'internal.segment.bytes': 500 }
    expect(logConfig(parseTopicConfig(small))).toEqual({ ...config, segmentBytes: 500 })
  })

  it.each([
    ['delete', { isCompacted: false, isDeleted: true, mayHaveGaps: false }],
    ['compact', { isCompacted: true, isDeleted: false, mayHaveGaps: true }],
    ['compact,delete', { isCompacted: true, isDeleted: true, mayHaveGaps: true }],
    ['delete,compact', { isCompacted: true, isDeleted: true, mayHaveGaps: true }],
  ])('cleanup.policy %s decides whether a log is compacted and deleted', (policy, expected) => {
    expect(logConfig(parseTopicConfig({ 'cleanup.policy': policy }))).toMatchObject(expected)
  })

  it('a log remembers that it was compacted and may have gaps', () => {
    const config = logConfig(parseTopicConfig({}), true)
    expect(config).toMatchObject({ isCompacted: false, mayHaveGaps: true })
  })

  it('a compacted log closes its segments in time to compact them', () => {
    const lag = { 'max.compaction.lag.ms': 1000 }
    const compacted = { ...lag, 'cleanup.policy': 'compact' }
    expect(logConfig(parseTopicConfig(compacted)).segmentMs).toBe(1000)
    expect(logConfig(parseTopicConfig({ ...compacted, 'segment.ms': 10 })).segmentMs).toBe(10)
    expect(logConfig(parseTopicConfig(lag)).segmentMs).toBe(7 * DAY_MS)
  })
})

describe('compression of a topic', () => {
  it.each([
    ['producer', undefined],
    ['uncompressed', { codec: 'none' }],
    ['gzip', { codec: 'gzip', level: -1 }],
    ['snappy', { codec: 'snappy' }],
    ['lz4', { codec: 'lz4', level: 9 }],
    ['zstd', { codec: 'zstd', level: 3 }],
  ])('compression.type %s', (type, compression) => {
    const texts = parseTopicConfig({ 'compression.type': type })
    expect(logConfig(texts).compression).toEqual(compression)
  })

  it.each([
    ['gzip', 0, 'expected a whole number from 1 to 9, or -1, got 0'],
    ['gzip', '0', 'expected a whole number from 1 to 9, or -1, got "0"'],
    ['gzip', 10, 'expected a whole number from 1 to 9, or -1, got 10'],
    ['lz4', 0, 'expected a whole number from 1 to 17, got 0'],
    ['lz4', 18, 'expected a whole number from 1 to 17, got 18'],
    ['zstd', 23, 'expected a whole number from -131072 to 22, got 23'],
  ])('the %s level %j is refused', (codec, level, why) => {
    expect(() => parseTopicConfig({ [`compression.${codec}.level`]: level })).toThrow(why)
  })

  it.each([['gzip', -1], ['gzip', '9'], ['lz4', 17], ['zstd', -131_072], ['zstd', '22']])(
    'the %s level %j is taken',
    (codec, level) => {
      expect(parseTopicConfig({ [`compression.${codec}.level`]: level })).toBeTruthy()
    },
  )
})
