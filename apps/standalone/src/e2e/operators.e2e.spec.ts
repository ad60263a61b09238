import { onPlatform } from './e2e.fixture.ts';
import { releasedCoins } from './suites/operators.fixture.ts';

onPlatform('coins that a dead lineage keeps', releasedCoins);
