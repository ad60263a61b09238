import { PermutingDriver } from '@finality/messaging';
import { describe } from 'vitest';
import { seededRandom } from '../test-runtime.ts';
import { messagingContract, postgresDriver } from './messaging.contract.ts';

describe('PostgresDriver', () => messagingContract(postgresDriver, { isOverlapping: true }));

describe('PermutingDriver', () =>
  messagingContract((setting) => {
    const options = { random: seededRandom(7), repeatProbability: 0, holdProbability: 0 };
    return new PermutingDriver(postgresDriver(setting), options);
  }));
