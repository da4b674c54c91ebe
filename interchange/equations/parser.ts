/** @file The parser of .cell files, which `npm run grammar` makes of cell.grammar; do not edit. */
import { LRParser } from "@lezer/lr";
import { depth, newlines } from "./newlines.ts";
export const parser = LRParser.deserialize({
  version: 14,
  states:
    "(QQ]QROOOeQRO'#C_OOQP'#C|'#C|QmQRO'#C|Q]QROOOrQRO,58yOrQRO,59fOOQP,59h,59hOOQP-E6z-E6zOrQRO'#CdO#UQRO'#DZOrQRO'#ChOOQP'#DZ'#DZO#`QRO'#DYOOQP'#DY'#DYO$dQRO'#DXOOQP'#DX'#DXOrQRO'#CtOOQP'#DW'#DWO%eQRO'#DUOOQP'#DV'#DVO&VQRO1G.eOOQP'#DU'#DUO&eQRO1G/QO&sQRO,59OOOQP,58},58}O'RQRO,59^O'aQRO,59SO'rQRO,59WOOQP,59[,59[O'RQRO,59[OOQP,59`,59`OrQRO,59aOrQRO,59dOrQRO'#C}O(TQRO1G.jOOQP1G.j1G.jOOQP1G.x1G.xOrQRO'#DOO(]QRO1G.nOOQP1G.n1G.nO!TQRO'#DZO(hQRO'#CnOOQP1G.r1G.rOOQP1G.v1G.vOOQP1G.{1G.{O(vQRO1G/OO)hQRO,59iOOQP-E6{-E6{OOQP7+$U7+$UO)vQRO,59jOOQP-E6|-E6|OOQP7+$Y7+$YOOQP,59Y,59Y",
  stateData:
    "*X~OwOSPOSuOS~OSPOtQO~OTTOoUO~OtVO~OSYOU[OXXO]ZOcaO~OXXOS}XU}X]}Xc}Xe}Xj}Xk}Xm}Xs}Xt}XY}XZ}X^}X_}X~OgjOa}X~P!TOalOS|XU|XX|X]|Xc|Xe|Xj|Xk|Xm|Xs|Xt|XY|XZ|X^|X_|X~OSYOU[OXXO]ZOenOc{Xj{Xk{Xm{Xs{Xt{XY{XZ{X^{X_{X~OjpOkpOcxXmxXsxXtxXYxXZxX^xX_xX~OcqOmqOsRitRi~OcqOmqOsnitni~OYrOZtOcqOmqO~OSYOU[OXXO]ZO~OYvO^vO_xOcqOmqO~OSyOU[OXXO]ZOczO~OYrOZ!RO~OYvO^vO_!UO~OSyOU[OXXO]ZO~OjpOkpOclimlislitliYliZli^li_li~OcqOmqOYqaZqa~OcqOmqOYra^ra_ra~O",
  goto: "&p!OPPP!PPPP!T!ePPP!TPPP!yP#XP#[P#[P#j#uPP$OP!PP$W$^$dPPPPP$j$|%X%h%|&[TROSm[TUXZ_ajlnpqrvzl[TUXZ_ajlnpqrvzTiYyi^TUXZ_ajnpqrvR{li`TUXZ_ajnpqrvcbTUXZapqrv_dTUXZqrv]fTUXZrvQSORWSQshR!QsQwkR!TwQeTQgUQhXQkZQ!PrR!Sv[cTUXZrvR!Oq^dTUXZqrvQoaR}pbbTUXZapqrvQm_QujR|ni_TUXZ_ajnpqrvh]TUXZ_ajnpqrvQ{lR!Vz",
  nodeNames:
    "⚠ Comment Cell Equation Name Equals Numeral Call Paren OpenParen Comma CloseParen List OpenBracket Semicolon CloseBracket Power Caret NegativeValue Minus Product Dot Fit Question Negative Term Times Divide Sum Plus Start Tilde",
  maxTerm: 45,
  context: depth,
  skippedNodes: [0, 1],
  repeatNodeCount: 3,
  tokenData:
    "-P~RsXY#`pq#`st#qxy$]yz$bz{$g{|$l|}$q}!O$v!O!P${!P!Q%{!Q![&Q!]!^&c!_!`&h!a!b&m!c!}&r!}#O,f#P#Q,k#Q#R,p#T#o&r#r#s,u$f$g#`$}%O,z%W%o&r%o%p$g%p&a&r&b-x&r4U7[&r%&l%&m$v%&r%&s$g%)i%)j$g%*g%*h,z%;_%;`$g%;z%;{$g?HT?HU#`~#eSw~XY#`pq#`$f$g#`?HT?HU#`~#vTP~OY#qZ]#q^;'S#q;'S;=`$V<%lO#q~$YP;=`<%l#q~$bOX~~$gOZ~~$lOj~~$qOm~~$vOY~~${Oc~~%OP!Q![%R~%WRU~!Q![%R!g!h%a#X#Y%a~%dR{|%m}!O%m!Q![%s~%pP!Q![%s~%xPU~!Q![%s~&QOk~~&VSU~!O!P%R!Q![&Q!g!h%a#X#Y%a~&hO^~~&mOT~~&rOg~~&w_S~wx'v!Q![&r!c!}&r#R#S'{#T#o&r%W%o&r%p&a&r&b-x&r1p4U&r4U7[&r$:h$:q+}$Kx$LS+}$LT$LU+}$LY$Lg+}&2j&2k+}~'{OS~~(OY!Q![(n!c!}(n#T#h(n#h#i)]#i#o(n#o#p*`%W%o(n%p&a(n&b-x(n4U7[(n~(sWS~wx'v!Q![(n!c!}(n#T#o(n%W%o(n%p&a(n&b-x(n4U7[(n~)bYS~wx'v}!O*Q!Q![(n!c!}(n#T#o(n%W%o(n%p&a(n&b-x(n4U7[(n%&l%&m*Q~*TP!R!S*W~*]PS~wx'v~*cZpq+U}!O+U!P!Q+U!Q![+U!c!}+U#T#o+U%W%o+U%p&a+U&b-x+U4U7[+U%&l%&m+U~+X[pq+U}!O+U!P!Q+U!Q![+U!c!}+U#T#o+U#q#r*W%W%o+U%p&a+U&b-x+U4U7[+U%&l%&m+U~,SUS~wx'v$:h$:q+}$Kx$LS+}$LT$LU+}$LY$Lg+}&2j&2k+}~,kO]~~,pO_~~,uOa~~,zOo~~-POe~",
  tokenizers: [newlines, 0],
  topRules: { Cell: [0, 2] },
  tokenPrec: 0,
});
