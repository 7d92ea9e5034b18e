import { describe, expect, it } from 'vitest'
import { addressOf, endpointOf } from '../../src/wire/addresses.js'

describe('an address', () => {
  it.each([
    ['localhost:9092', { host: 'localhost', port: 9092 }],
    [' kafka-1.example.com:1 ', { host: 'kafka-1.example.com', port: 1 }],
    ['127.0.0.1:65535', { host: '127.0.0.1', port: 65_535 }],
    ['[::1]:9092', { host: '::1', port: 9092 }],
    ['[fe80::1%eth0]:9092', { host: 'fe80::1%eth0', port: 9092 }],
  ])('the address %s is parsed and written again', (text, endpoint) => {
    expect(endpointOf(text)).toEqual(endpoint)
    expect(addressOf(endpoint)).toBe(text.trim())
  })

  it.each(['', 'localhost', 'localhost:', ':9092', 'a:0', 'a:65536', 'a:b', '::1:9092', 'a b:1'])(
    '%j is not an address',
    text => {
      expect(() => endpointOf(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(text) }),
      )
    },
  )

  it.each([undefined, null, 9092, ['a:1']])('%j is not an address either', given => {
    expect(() => endpointOf(given)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  })
})
