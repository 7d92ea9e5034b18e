import { defineConfig } from 'vitest/config'

const NOT_HERE = ['test/compat/**', 'test/package/**', '**/node_modules/**']

/** Files that put a module of their own in the place of one of ours. */
const WITH_MOCKS = [
  'test/partition/checksums.test.ts',
  'test/cluster/checksums.test.ts',
  'test/cluster/handed-over.test.ts',
]

const SHARED = {
  // Far above what a loaded machine costs: what takes longer waits for something in vain.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: { poll: { interval: 20, timeout: 50_000 } },
}

/** Loading the modules again for each file would double the time. */
const IN_ONE_WORKER = { ...SHARED, isolate: false }

export default defineConfig({
  test: {
    maxWorkers: 2, // two cores: one worker each
    projects: [
      {
        test: {
          ...IN_ONE_WORKER,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...NOT_HERE, ...WITH_MOCKS, 'test/process/**'],
        },
      },
      { test: { ...IN_ONE_WORKER, name: 'process', include: ['test/process/**/*.test.ts'] } },
      { test: { ...SHARED, name: 'mocks', include: WITH_MOCKS } },
    ],
  },
})
