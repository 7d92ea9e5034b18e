import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/compat/**', 'test/package/**', '**/node_modules/**'],
    // Two cores: one worker each. A test that needs longer than this waits for something.
    maxWorkers: 2,
    testTimeout: 20_000,
  },
})
