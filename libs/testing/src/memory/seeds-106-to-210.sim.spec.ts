import { testMemorySeeds } from './seeds.fixture.ts';

testMemorySeeds(106, 210);
