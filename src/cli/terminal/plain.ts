/**
 * Text of others on its way to a terminal. What a client may choose (ids of groups, clients and
 * members, keys, metadata) can hold escape sequences and line breaks; addresses can hold passwords.
 */

// C0; DEL, C1, the separators of lines and paragraphs, and what turns the direction of text.
const C0 = /[\u0000-\u001f]/g
/** For texts of several lines. */
const C0_BUT_LINE_BREAKS = /[\u0000-\u0009\u000b-\u001f]/g
/** What JSON leaves as it is. */
const OTHERS = /[\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const HAS_OTHERS = new RegExp(OTHERS.source)

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16).padStart(4, '0')
  return SHORT[character] ?? `\\u${code}`
}

/** One line in which every control character is seen as one. */
export function plain(text: string): string {
  return text.replace(C0, escaped).replace(OTHERS, escaped)
}

/** The same, but line breaks stay. */
export function plainLines(text: string): string {
  return text.replace(C0_BUT_LINE_BREAKS, escaped).replace(OTHERS, escaped)
}

/** A value as JSON that a terminal takes for text; equal to what JSON.stringify gives. */
export function plainJson(value: unknown): string {
  const json = JSON.stringify(value)
  return HAS_OTHERS.test(json) ? json.replace(OTHERS, escaped) : json
}

/** `user:password@`, also where the password has a '/' or an '@', and what follows a '?'. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@/gi
const QUERY = /([a-z][a-z0-9+.-]*:\/\/[^\s"'?#]*)[?#][^\s"']*/gi
const BARE_USER_INFO = /(?<=^|[\s"'=])[^\s"'/@:=]+:[^\s"'@/]+@(?=[\w.-]+)/g

/** A sentence without the user and the password of an address. */
export function withoutSecrets(sentence: string): string {
  return sentence
    .replace(USER_INFO, '$1…@')
    .replace(QUERY, '$1?…')
    .replace(BARE_USER_INFO, '…@')
}
