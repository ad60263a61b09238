import { testMemorySeeds } from './seeds.fixture.ts';

testMemorySeeds(1, 105);
