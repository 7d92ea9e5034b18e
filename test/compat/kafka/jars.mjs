/** Kafka's jars and a Java that runs them; or the sentence that says what is missing. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const LIBS = join(HERE, 'libs')
const JAVA_MIN = 17
const DOWNLOAD_MS = 300_000

/** The arguments of `java` that find Kafka's classes. */
export const CLASSPATH = ['-cp', join(LIBS, '*')]

/** Why there is no Kafka here; undefined when there is. Gets the jars when maven is there. */
export function missingKafka() {
  const java = missingJava()
  if (java !== undefined) return java
  return hasJars() ? undefined : missingAfterDownload()
}

function missingJava() {
  const { error, stderr = '' } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  if (error !== undefined) return 'there is no java'
  const [, version] = /version "(\d+)/.exec(stderr) ?? []
  return Number(version) >= JAVA_MIN ? undefined : `java ${version} is older than ${JAVA_MIN}`
}

function hasJars() {
  return existsSync(LIBS) && readdirSync(LIBS).some(name => /^kafka_.*\.jar$/.test(name))
}

/** Into a folder beside it first: half a download is none. */
function missingAfterDownload() {
  const folder = mkdtempSync(join(HERE, '.libs-'))
  const goal = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]
  const { error, status, stdout } = spawnSync('mvn', [...goal, '-DincludeScope=runtime'], {
    cwd: HERE,
    encoding: 'utf8',
    timeout: DOWNLOAD_MS,
  })
  if (error === undefined && status === 0) {
    rmSync(LIBS, { recursive: true, force: true })
    renameSync(folder, LIBS)
    return undefined
  }
  rmSync(folder, { recursive: true, force: true })
  const [line = ''] = (stdout ?? '').split('\n').filter(each => each.includes('ERROR'))
  return `maven could not get Kafka's jars: ${error?.message ?? line}`
}
