import zlib from 'node:zlib'
import { expect, it } from 'vitest'
import {
  CODECS,
  compressAside,
  decompressAside,
  isReadable,
} from '../../../src/model/batch/compression.js'
import { doWithoutThreads } from '../../../src/testing/simulation/no-threads.js'
import { LINES } from '../../golden/codecs.js'

const NAMES = ['gzip', 'gunzip', 'zstdCompress', 'zstdDecompress'] as const
const functions = (): unknown[] => NAMES.map(name => (zlib as unknown as Record<string, unknown>)[name])

it('in a simulated world every codec is done before anything from outside can come', async () => {
  const before = functions()
  const [first, second] = [doWithoutThreads(), doWithoutThreads()]
  for (const codec of CODECS.filter(codec => isReadable(codec))) {
    let isOver = false
    const done = compressAside({ codec }, LINES, () => Promise.resolve())
      .then(packed => decompressAside(codec, packed, () => Promise.resolve()))
      .then(content => {
        expect(Buffer.compare(content, LINES)).toBe(0)
        isOver = true
      })
    // Reactions to promises only: what a thread does would come after a turn.
    for (let n = 0; n < 100 && !isOver; n++) await Promise.resolve()
    expect(isOver, codec).toBe(true)
    await done
  }
  first()
  first()
  expect(functions()).not.toEqual(before)
  second()
  expect(functions()).toEqual(before)
})
