/*
 * Writes modules of WebAssembly, instruction by instruction: enough of its binary format for small
 * loops over bytes. Whatever is made of them has a slower way for where there is no WebAssembly.
 */

/** The few parts of WebAssembly used here: its types come with the browser's, not with Node's. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** Instructions, or parts of them. */
export type Code = readonly number[]

/** A function of int32 parameters. */
export interface WasmFunction {
  readonly name: string
  readonly params: number
  /** It returns an int32; otherwise nothing. */
  readonly hasResult: boolean
  /** Further local variables. */
  readonly locals: number
  readonly body: Code
}

const INT32 = 0x7f
const END_OF_BLOCK = 0x0b
const NO_RESULT = 0x40

/** Starts a module. Throws where WebAssembly is not available. */
export function instantiate(functions: readonly WasmFunction[], pages: number): unknown {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
    .WebAssembly
  return new Instance(new Module(moduleBytes(functions, pages))).exports
}

function moduleBytes(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const types = functions.map(({ params, hasResult }) => [
    ...[0x60, ...leb(params), ...new Array<number>(params).fill(INT32)],
    ...(hasResult ? [1, INT32] : [0]),
  ])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(3, functions.map((_, index) => leb(index))),
    ...section(5, [[0, ...leb(pages)]]),
    ...section(7, [
      [...nameOf('memory'), 2, 0],
      ...functions.map(({ name }, index) => [...nameOf(name), 0, ...leb(index)]),
    ]),
    ...section(10, functions.map(bodyOf)),
  ])
}

function bodyOf({ locals, body }: WasmFunction): number[] {
  const code = [...(locals === 0 ? [0] : [1, ...leb(locals), INT32]), ...body, END_OF_BLOCK]
  return [...leb(code.length), ...code]
}

function section(id: number, items: readonly Code[]): number[] {
  const content = [...leb(items.length), ...items.flat()]
  return [id, ...leb(content.length), ...content]
}

function nameOf(text: string): number[] {
  return [...leb(text.length), ...Buffer.from(text, 'latin1')]
}

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

/** Signed LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest < -0x40 || rest >= 0x40; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest & 0x7f]
}

// ── instructions ─────────────────────────────────────────────────────────────────────────

const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [...a, ...b, opcode]

export const add = binary(0x6a)
export const sub = binary(0x6b)
export const or = binary(0x72)
export const multiply = binary(0x6c)
export const isEqual = binary(0x46)
export const isOther = binary(0x47)
export const isLess = binary(0x48)
export const isAbove = binary(0x4b) // without a sign
export const isAtLeast = binary(0x4e)

export const number = (value: number): Code => [0x41, ...signed(value)]
export const get = (local: number): Code => [0x20, ...leb(local)]
export const set = (local: number, value: Code): Code => [...value, 0x21, ...leb(local)]
/** A byte of the memory, at `at` + `offset`. */
export const byteAt = (at: Code, offset = 0): Code => [...at, 0x2d, 0, ...leb(offset)]
export const wordAt = (at: Code, offset = 0): Code => [...at, 0x28, 0, ...leb(offset)]
export const putWord = (at: Code, value: Code, offset = 0): Code => [
  ...[...at, ...value, 0x36, 0, ...leb(offset)],
]
export const call = (index: number, ...args: readonly Code[]): Code => [
  ...[...args.flat(), 0x10, ...leb(index)],
]
export const give = (value: Code): Code => [...value, 0x0f]
export const when = (condition: Code, then: Code, otherwise?: Code): Code => [
  ...[...condition, 0x04, NO_RESULT, ...then],
  ...(otherwise === undefined ? [END_OF_BLOCK] : [0x05, ...otherwise, END_OF_BLOCK]),
]
/** Runs again and again; ends only by `give`, or by not reaching `again`. */
export const loop = (...body: readonly Code[]): Code => [
  ...[0x03, NO_RESULT, ...body.flat(), END_OF_BLOCK],
]
/** Goes to the beginning of a loop, `depth` blocks further out. */
export const again = (depth = 0): Code => [0x0c, ...leb(depth)]
