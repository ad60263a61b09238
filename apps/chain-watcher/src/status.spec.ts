import type { BlockHash } from '@finality/bitcoin';
import { TestRuntime } from '@finality/testing';
import { describe, expect, it } from 'vitest';
import { type ChainWatcherConfig, healthLimitsOf } from './config.ts';
import { ChainStatus } from './status.ts';

function statusOf(network: ChainWatcherConfig['BITCOIN_NETWORK'], overrides: Partial<ChainWatcherConfig> = {}) {
  const runtime = new TestRuntime();
  const limits = healthLimitsOf({
    BITCOIN_NETWORK: network,
    BITCOIN_RPC_URL: 'http://127.0.0.1:1',
    CHAIN_START_HEIGHT: 0,
    CHAIN_DISAGREEMENT_BLOCKS_MAX: 2,
    CHAIN_DISAGREEMENT_MINUTES_MAX: 30,
    WATCH_AHEAD: 1,
    ...overrides,
  });
  const status = new ChainStatus(network, runtime, limits);
  status.tipIs({ height: 5, hash: 'h' as BlockHash }, runtime.now() / 1_000);
  return { runtime, status };
}

describe('a tip', () => {
  it('is stale after two hours where blocks come by themselves', () => {
    const { runtime, status } = statusOf('mainnet');
    runtime.advance(120 * 60_000);
    expect(status.status().stale).toBe(false);
    runtime.advance(1);
    expect(status.status()).toMatchObject({ stale: true, tipAgeMs: 7_200_001 });
  });

  it('never on regtest, unless somebody says when', () => {
    const regtest = statusOf('regtest');
    regtest.runtime.advance(1_000 * 3_600_000);
    expect(regtest.status.status().stale).toBe(false);
    const bounded = statusOf('regtest', { CHAIN_TIP_AGE_MINUTES_MAX: 1 });
    bounded.runtime.advance(60_001);
    expect(bounded.status.status().stale).toBe(true);
  });
});

describe('a second node', () => {
  it('isn’t there until it has answered or failed, and keeps what it last said while it is away', () => {
    const { status } = statusOf('regtest');
    expect(status.status().secondNode).toBeNull();
    status.secondNodeAnswered({ height: 7, agreedHeight: 5, disagreeingBlocks: 0, isHeavier: false });
    status.secondNodeFailed('away');
    expect(status.status().secondNode).toMatchObject({ height: 7, agreedHeight: 5, problem: 'away', disagrees: false });
  });
});
