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
    ",y~RsXY#`pq#`st#qxy$]yz$bz{$g{|$l|}$q}!O$v!O!P${!P!Q%{!Q![&Q!]!^&c!_!`&h!a!b&m!c!}&r!}#O,`#P#Q,e#Q#R,j#T#o&r#r#s,o$f$g#`$}%O,t%W%o&r%o%p$g%p&a&r&b-x&r4U7[&r%&l%&m$v%&r%&s$g%)i%)j$g%*g%*h,t%;_%;`$g%;z%;{$g?HT?HU#`~#eSw~XY#`pq#`$f$g#`?HT?HU#`~#vTP~OY#qZ]#q^;'S#q;'S;=`$V<%lO#q~$YP;=`<%l#q~$bOX~~$gOZ~~$lOj~~$qOm~~$vOY~~${Oc~~%OP!Q![%R~%WRU~!Q![%R!g!h%a#X#Y%a~%dR{|%m}!O%m!Q![%s~%pP!Q![%s~%xPU~!Q![%s~&QOk~~&VSU~!O!P%R!Q![&Q!g!h%a#X#Y%a~&hO^~~&mOT~~&rOg~~&w_S~wx'v!Q![&r!c!}&r#R#S'{#T#o&r%W%o&r%p&a&r&b-x&r1p4U&r4U7[&r$:h$:q+w$Kx$LS+w$LT$LU+w$LY$Lg+w&2j&2k+w~'{OS~~(OY!Q![(n!c!}(n#T#h(n#h#i)]#i#o(n#o#p*`%W%o(n%p&a(n&b-x(n4U7[(n~(sWS~wx'v!Q![(n!c!}(n#T#o(n%W%o(n%p&a(n&b-x(n4U7[(n~)bYS~wx'v}!O*Q!Q![(n!c!}(n#T#o(n%W%o(n%p&a(n&b-x(n4U7[(n%&l%&m*Q~*TP!R!S*W~*]PS~wx'v~*cYpq+R}!O+R!Q![+R!c!}+R#T#o+R%W%o+R%p&a+R&b-x+R4U7[+R%&l%&m+R~+UZpq+R}!O+R!Q![+R!c!}+R#T#o+R#q#r*W%W%o+R%p&a+R&b-x+R4U7[+R%&l%&m+R~+|US~wx'v$:h$:q+w$Kx$LS+w$LT$LU+w$LY$Lg+w&2j&2k+w~,eO]~~,jO_~~,oOa~~,tOo~~,yOe~",
  tokenizers: [newlines, 0],
  topRules: { Cell: [0, 2] },
  tokenPrec: 0,
});
