import { runProgram } from '@finality/service';
import { chainWatcherProgram } from './program.ts';

process.exitCode = await runProgram(chainWatcherProgram, process.argv.slice(2));
