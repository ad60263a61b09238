import { runProgram } from '@finality/service';
import { addressIssuerProgram } from './program.ts';

process.exitCode = await runProgram(addressIssuerProgram, process.argv.slice(2));
