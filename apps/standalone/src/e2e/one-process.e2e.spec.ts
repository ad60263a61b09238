import { describe } from 'vitest';
import { onPlatform } from './e2e.fixture.ts';
import { theApi } from './suites/api.fixture.ts';
import { badInput } from './suites/bad-input.fixture.ts';
import { genericClient } from './suites/call.fixture.ts';
import { oddDeposits } from './suites/deposits.fixture.ts';
import { threeModes } from './suites/modes.fixture.ts';
import { SCREENED, screening } from './suites/screening.fixture.ts';

// What asks for no platform of its own: to start one takes longer than some of these.
onPlatform(
  'all services in one process',
  (e2e) => {
    describe('three modes', () => threeModes(e2e));
    describe('a deposit', () => oddDeposits(e2e));
    describe('screening', () => screening(e2e));
    describe('bad input', () => badInput(e2e));
    describe('a generic client', () => genericClient(e2e));
    // Last: it stops and starts the platform.
    describe('the API', () => theApi(e2e));
  },
  { environment: SCREENED },
);
