import { testSeeds } from './seeds.fixture.ts';

testSeeds(11, 20);
