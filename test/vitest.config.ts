import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/compat/**', 'test/package/**', '**/node_modules/**'],
    maxWorkers: 2, // two cores: one worker each
    // Far above what a loaded machine costs: what takes longer waits for something in vain.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { interval: 20, timeout: 50_000 } },
  },
})
