import { onPlatform } from './e2e.fixture.ts';
import { windows } from './suites/windows.fixture.ts';

onPlatform('windows', windows);
