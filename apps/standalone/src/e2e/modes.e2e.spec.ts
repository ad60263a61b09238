import { onPlatform } from './e2e.fixture.ts';
import { threeModes } from './suites/modes.fixture.ts';

onPlatform('three modes', threeModes);
