/**
 * Makes the package of what tsup has built. The library is in it once, as CommonJS in parts that
 * load when they are first used; the modules pass its names on. So `import` and `require` give the
 * same classes, and the package has half the size.
 *
 * The bundler splits modules only. Each of its parts is translated alone, by TypeScript.
 */

import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const PART_REQUIRED = /\brequire\("\.\/([\w-]+)\.js"\)/g

const compilerOptions = {
  allowJs: true,
  esModuleInterop: true,
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
}

for (const fileName of readdirSync(dist).filter(name => name.endsWith('.js'))) {
  const path = join(dist, fileName)
  const text = readFileSync(path, 'utf8').replace(/^#!.*\n/, '')
  const { outputText } = ts.transpileModule(text, { fileName, compilerOptions })
  writeFileSync(path.replace(/js$/, 'cjs'), outputText.replace(PART_REQUIRED, 'require("./$1.cjs")'))
  if (!['index.js', 'testing.js', 'cli.js'].includes(fileName)) unlinkSync(path)
}

const require = createRequire(import.meta.url)
for (const entry of ['index', 'testing']) {
  const names = Object.keys(require(join(dist, `${entry}.cjs`))).sort().join(', ')
  const text = `import library from './${entry}.cjs'\nexport const { ${names} } = library\n`
  writeFileSync(join(dist, `${entry}.js`), text)
}
writeFileSync(join(dist, 'cli.js'), "#!/usr/bin/env node\nimport './cli.cjs'\n")
