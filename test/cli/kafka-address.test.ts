import { describe, expect, it } from 'vitest'
import {
  checkNoKafkaOptions,
  connectTo,
  isKafkaAddress,
  parseKafkaAddress,
} from '../../src/cli/kafka-address.js'
import { Output } from '../../src/cli/terminal/output.js'
import { UsageError } from '../../src/cli/terminal/usage-error.js'

const parse = (given: string) => parseKafkaAddress('--to', given)
const NONE = { ssl: false, ca: undefined, sasl: undefined, username: undefined } as const

describe('an address', () => {
  it.each([
    ['kafka://host:9092/orders', ['host:9092'], 'orders'],
    ['kafka://a:1,b.c-d:65535/a.b_c-1', ['a:1', 'b.c-d:65535'], 'a.b_c-1'],
    ['kafka://[::1]:9092,10.0.0.1:9092/orders', ['[::1]:9092', '10.0.0.1:9092'], 'orders'],
  ])('%s', (given, bootstrapServers, topic) => {
    expect(isKafkaAddress(given)).toBe(true)
    expect(parse(given)).toEqual({ bootstrapServers, topic })
  })

  it.each([
    'orders',
    'http://host:9092/orders',
    'kafka:/host:9092/orders',
    'kafka://host:9092',
    'kafka://host:9092/',
    'kafka:///orders',
    'kafka://host/orders',
    'kafka://host:/orders',
    'kafka://host:0/orders',
    'kafka://host:65536/orders',
    'kafka://host:9092,/orders',
    'kafka://a:1, b:2/orders',
    'kafka://::1:9092/orders',
    'kafka://host:9092/a b',
    'kafka://host:9092/..',
    'kafka://host:9092/orders/0',
    'kafka://host:9092/orders?acks=1',
  ])('an address is not %s', given => {
    expect(() => parse(given)).toThrow(UsageError)
    expect(() => parse(given)).toThrow(
      `--to: expected kafka://host:port/topic (several: kafka://a:9092,b:9092/topic), ` +
        `got ${JSON.stringify(given)}`,
    )
  })

  it('an address with a password is refused without repeating it', () => {
    expect(() => parse('kafka://alice:secret@host:9092/orders')).toThrow(/PARTLOG_PASSWORD/)
    expect(() => parse('kafka://alice:secret@host:9092/orders')).not.toThrow(/secret/)
  })

  it('the name of a topic or a file is not an address', () => {
    expect(['orders', './kafka', 'kafka', undefined].map(isKafkaAddress)).not.toContain(true)
  })
})

describe('options', () => {
  it('options that would be ignored are refused', () => {
    checkNoKafkaOptions('replay', NONE)
    const given = [{ ssl: true }, { ca: 'f' }, { sasl: 'plain' }, { username: 'a' }] as const
    for (const options of given) {
      const name = Object.keys(options)[0] as string
      expect(() => checkNoKafkaOptions('replay', { ...NONE, ...options })).toThrow(
        `partlog replay: --${name}: only with kafka://…`,
      )
    }
  })

  it('--ca refuses a file that is missing, a folder or too large', async () => {
    const address = parse('kafka://127.0.0.1:1/orders')
    const call = { command: 'replay', output: new Output() }
    const connecting = (ca: string) => connectTo(address, call, { ...NONE, ca })
    await expect(connecting('nowhere.pem')).rejects.toThrow(/ENOENT.*nowhere\.pem/)
    await expect(connecting('src')).rejects.toThrow('src: expected a file, this is a folder')
    await expect(connecting(process.execPath)).rejects.toThrow(/more than the 1048576 expected/)
  })
})
