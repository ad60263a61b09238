import { onPlatform } from './e2e.fixture.ts';
import { oddDeposits } from './suites/deposits.fixture.ts';

onPlatform('a deposit', oddDeposits);
