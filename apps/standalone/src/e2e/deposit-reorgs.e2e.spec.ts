import { onPlatform } from './e2e.fixture.ts';
import { depositInReorg } from './suites/deposit-reorgs.fixture.ts';

onPlatform('a deposit in a reorg', depositInReorg);
