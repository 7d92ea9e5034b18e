/*
 * Makes untrusted text safe for a terminal. Whatever a client can choose (ids of groups, clients
 * and members, keys, metadata) may contain escape sequences and line breaks; addresses may contain
 * passwords.
 */

/** The C0 control characters; JSON escapes them. */
const C0 = /[\u0000-\u001f]/g
/** For texts of several lines. */
const C0_BUT_LINE_BREAKS = /[\u0000-\u0009\u000b-\u001f]/g
/** DEL, C1, line and paragraph separators, direction controls: JSON does not escape these. */
const OTHERS = /[\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const HAS_OTHERS = new RegExp(OTHERS.source)

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16).padStart(4, '0')
  return SHORT[character] ?? `\\u${code}`
}

/** One line, with every control character as a visible escape. */
export function plain(text: string): string {
  return text.replace(C0, escaped).replace(OTHERS, escaped)
}

/** The same, but line breaks are kept. */
export function plainLines(text: string): string {
  return text.replace(C0_BUT_LINE_BREAKS, escaped).replace(OTHERS, escaped)
}

/** JSON that is safe for a terminal; it parses to the same value as the JSON.stringify output. */
export function plainJson(value: unknown): string {
  const json = JSON.stringify(value)
  return HAS_OTHERS.test(json) ? json.replace(OTHERS, escaped) : json
}

/** `user:password@`, even if the password contains '/' or '@'; and everything after a '?'. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@/gi
const QUERY = /([a-z][a-z0-9+.-]*:\/\/[^\s"'?#]*)[?#][^\s"']*/gi
const BARE_USER_INFO = /(?<=^|[\s"'=])[^\s"'/@:=]+:[^\s"'@/]+@(?=[\w.-]+)/g

/** The sentence without users and passwords of addresses. */
export function withoutSecrets(sentence: string): string {
  return sentence
    .replace(USER_INFO, '$1…@')
    .replace(QUERY, '$1?…')
    .replace(BARE_USER_INFO, '…@')
}
