import { onPlatform } from './e2e.fixture.ts';
import { ownWallets } from './suites/psbt.fixture.ts';

onPlatform('wallets whose keys are their institution’s own', ownWallets);
