/**
 * better-sqlite3: a row per record in a write-ahead log. Its calls are synchronous: records that
 * are put in one turn share a transaction, and so a sync.
 */

import Database from 'better-sqlite3'
import { join } from 'node:path'

export function open(dir, isSynced) {
  const db = new Database(join(dir, 'sqlite.db'))
  db.pragma('journal_mode = WAL')
  db.pragma(`synchronous = ${isSynced ? 'FULL' : 'OFF'}`)
  db.exec('CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, value BLOB)')
  const insert = db.prepare('INSERT INTO records VALUES (?, ?)')
  const select = db.prepare('SELECT value FROM records WHERE id = ?').pluck()
  const all = db.prepare('SELECT value FROM records ORDER BY id').pluck()
  const putMany = db.transaction((start, values) => {
    for (let n = 0; n < values.length; n++) insert.run(start + n, values[n])
  })
  const putTurn = db.transaction(waiting => {
    for (const { index, value } of waiting) insert.run(index, value)
  })
  let turn = []
  const commit = () => {
    const waiting = turn
    turn = []
    putTurn(waiting)
    for (const { resolve } of waiting) resolve()
  }
  const putShared = (index, value) =>
    new Promise(resolve => {
      turn.push({ index, value, resolve })
      if (turn.length === 1) setImmediate(commit)
    })
  return {
    putMany,
    put: isSynced ? putShared : (index, value) => void insert.run(index, value),
    read(take) {
      for (const value of all.iterate()) take(value)
    },
    places: count => Array.from({ length: count }, (_, index) => index),
    get: index => select.get(index),
    close: () => db.close(),
  }
}
