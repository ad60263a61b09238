import { onPlatform } from './e2e.fixture.ts';
import { genericClient } from './suites/call.fixture.ts';

onPlatform('a generic client', genericClient);
