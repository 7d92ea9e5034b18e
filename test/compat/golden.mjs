/** The golden file: every case with the bytes kafkajs makes of it. */

import { CASES, textOf } from './cases.mjs'
import { encode } from './kafkajs.mjs'

export const GOLDEN_FILE = new URL('../golden/kafkajs-batches.json', import.meta.url)

export async function goldenBatches() {
  const batches = []
  for (const { name, batch, records } of CASES) {
    const plain = records.map(({ key, value, ...rest }) => ({
      ...rest,
      key: textOf(key),
      value: textOf(value),
    }))
    const timestamps = records.map(({ timestamp }) => timestamp)
    const bytes = await encode({
      ...batch,
      firstTimestamp: timestamps[0],
      maxTimestamp: Math.max(...timestamps),
      records: plain,
    })
    batches.push({ name, batch, records, bytes: bytes.toString('hex') })
  }
  return batches
}

/** One line per record and per batch's bytes, so that a change shows where it is. */
export function goldenText(batches) {
  const blocks = batches.map(({ name, batch, records, bytes }) => {
    const lines = records.map(record => `      ${JSON.stringify(record)}`)
    return [
      '  {',
      `    "name": ${JSON.stringify(name)},`,
      `    "batch": ${JSON.stringify(batch)},`,
      `    "records": [\n${lines.join(',\n')}\n    ],`,
      `    "bytes": "${bytes}"`,
      '  }',
    ].join('\n')
  })
  return `[\n${blocks.join(',\n')}\n]\n`
}
